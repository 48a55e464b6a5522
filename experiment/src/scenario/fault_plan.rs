//! A fault or task of a scenario, its time, and its arguments: `[[chaos]]` and `[[task]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use stallion_fault::{self as fault, FAULTS, FaultError, Injection};
use stallion_server::duration;
use toml::{Spanned, Value};

/// The argument that is a length of time, and is shortened with the run.
const FOR: &str = "for";

/// A fault: `[[chaos]]`, or a measurement: `[[task]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FaultPlan {
    /// Its time, from the end of the warm-up.
    pub at: Spanned<String>,
    /// Its name, as `stallion chaos NAME` takes it.
    pub action: Spanned<String>,
    /// Its arguments, with the names of the flags of `stallion chaos NAME`.
    #[serde(flatten)]
    arguments: BTreeMap<String, Value>,
    #[serde(skip)]
    pub(super) start: Duration,
}

impl FaultPlan {
    /// Its time, from the end of the warm-up.
    #[must_use]
    pub fn start(&self) -> Duration {
        self.start
    }

    /// An argument as it would be typed.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<String> {
        self.arguments.get(name).map(word)
    }

    /// The fault with its arguments. `address_of` knows the servers that scenarios name.
    ///
    /// # Errors
    /// [`FaultError`] for a name or an argument that there is not, or a value that makes no sense.
    pub fn injection(
        &self,
        address_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Injection, FaultError> {
        let kind = fault::find(self.action.as_ref())?;
        let words = self.arguments.iter().map(|(name, value)| {
            let word = word(value);
            (
                name.as_str(),
                Some(word.as_str()).filter(|_| name == "to").and_then(&address_of).unwrap_or(word),
            )
        });
        let words: Vec<(&str, String)> = words.collect();
        kind.read(words.iter().map(|(name, word)| (*name, word.as_str())))
    }

    /// Begins and ends earlier.
    pub(super) fn shorten(&mut self, scaled: impl Fn(Duration) -> Duration) {
        self.start = scaled(self.start);
        let lasts = self.argument(FOR).and_then(|text| duration::parse(&text).ok());
        if let Some(lasts) = lasts {
            self.arguments.insert(FOR.to_owned(), Value::String(duration::text(scaled(lasts))));
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One form for each fault, made of its flags.
impl JsonSchema for FaultPlan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FaultPlan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let forms: Vec<Json> = FAULTS.iter().map(form).collect();
        json_schema!({
            "description": "A fault, `[[chaos]]`, or a measurement, `[[task]]`.",
            "oneOf": forms,
        })
    }
}

fn form(kind: &fault::Kind) -> Json {
    let command = kind.command();
    let mut properties = Map::new();
    properties.insert(
        "at".to_owned(),
        json!({ "description": "Its time, from the end of the warm-up.", "type": "string" }),
    );
    properties.insert("action".to_owned(), json!({ "enum": [kind.name, kind.recorded_as] }));
    let mut required = vec!["at".to_owned(), "action".to_owned()];
    for arg in command.get_arguments() {
        let Some(name) = arg.get_long().map(|long| long.replace('-', "_")) else { continue };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut about = json!({ "description": help, "type": ["string", "number"] });
        let words: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !words.is_empty() {
            about = json!({ "description": help, "enum": words });
        }
        if let [default] = arg.get_default_values() {
            about["default"] = json!(default.to_string_lossy());
        }
        for alias in arg.get_all_aliases().unwrap_or_default() {
            properties.insert(alias.to_owned(), about.clone());
        }
        if arg.is_required_set() {
            required.push(name.clone());
        }
        properties.insert(name, about);
    }
    json!({
        "description": command.get_about().map(ToString::to_string),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
