//! What the parser cannot see: whether the parts of a scenario fit each other.

use std::time::Duration;

use stallion_server::duration;
use toml::Spanned;

use super::claim::Claim;
use super::{FaultPlan, Rate, Scenario, findings};
use stallion_fault as fault;

/// A field whose value makes no sense; `at` is its place in the text, in bytes.
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) field: String,
    pub(super) text: String,
}

/// Checks a scenario, and resolves the times that it writes as text.
pub(super) fn check(scenario: &mut Scenario) -> Result<(), Wrong> {
    let whole = scenario.drive.duration;
    for phase in &mut scenario.phases {
        phase.start = time_within(&phase.at, whole, "phase.at")?;
    }
    for plan in &mut scenario.chaos {
        planned(plan, whole, "chaos")?;
    }
    for plan in &mut scenario.tasks {
        if !planned(plan, whole, "task")?.is_task {
            let text = "it is a fault: write it as [[chaos]]";
            return Err(wrong(&plan.action, "task.action", text));
        }
    }
    let claims = scenario.claims.iter().map(|plan| (&plan.holds, "claim.holds"));
    let published = scenario.published.iter().map(|plan| (&plan.holds, "published.holds"));
    for (holds, field) in claims.chain(published) {
        Claim::parse(holds.as_ref()).map_err(|text| wrong(holds, field, &text))?;
    }
    if let Some(finding) = scenario.finding.as_ref().filter(|one| !is_known(one.as_ref())) {
        let text = format!(
            "there is no `{}`; there are: {}",
            finding.as_ref(),
            findings().collect::<Vec<_>>().join(", ")
        );
        return Err(wrong(finding, "finding", &text));
    }
    if matches!(scenario.drive.rate, Rate::OfCeiling(_)) && scenario.ceiling.is_none() {
        let text = "a share of a ceiling needs a table [ceiling] with its slo";
        return Err(Wrong { at: 0, field: "drive.rate".to_owned(), text: text.to_owned() });
    }
    Ok(())
}

/// Checks a fault or task, and resolves its time.
fn planned(
    plan: &mut FaultPlan,
    whole: Duration,
    table: &str,
) -> Result<&'static fault::Kind, Wrong> {
    plan.start = time_within(&plan.at, whole, &format!("{table}.at"))?;
    // Which servers have a name shows when they run.
    let read = plan.injection(|name| (!name.contains(':')).then(|| "127.0.0.1:1".to_owned()));
    let told = |error: fault::FaultError| {
        wrong(&plan.action, &format!("{table}.action"), &error.to_string())
    };
    Ok(read.map_err(told)?.kind())
}

fn is_known(finding: &str) -> bool {
    findings().any(|known| known == finding)
}

fn time_within(at: &Spanned<String>, whole: Duration, field: &str) -> Result<Duration, Wrong> {
    let time =
        duration::parse(at.as_ref()).map_err(|error| wrong(at, field, &error.to_string()))?;
    if time < whole {
        return Ok(time);
    }
    let text = format!(
        "{} is not within the run, whose drive.duration is {}",
        at.as_ref(),
        duration::text(whole)
    );
    Err(wrong(at, field, &text))
}

fn wrong<T>(at: &Spanned<T>, field: &str, text: &str) -> Wrong {
    Wrong { at: at.span().start, field: field.to_owned(), text: text.to_owned() }
}
