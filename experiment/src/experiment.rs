//! An experiment: all runs of a scenario, and what they come to. Each run that is finished is a
//! file, so that an interrupted sweep goes on where it was.

mod claims;

mod page;

mod index;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stallion_server::info::Info;
use stallion_timeline::HostFacts;
use thiserror::Error;

pub use self::index::index;
pub use self::page::{Rendered, render};
use crate::data::{Data, FORMAT, PointData};
use crate::figures;
use crate::run::{Bench, Options, RunError};
use crate::scenario::{Scenario, ScenarioError};
use crate::sweep::{Point, Scale, Sweep};
use stallion_stack::interrupt::Interrupt;

/// Why an experiment, or its page, did not come about.
#[derive(Debug, Error)]
pub enum ExperimentError {
    /// A run failed; those before it stay.
    #[error("{label}: {error}")]
    Run {
        /// Which.
        label: String,
        /// Why.
        error: RunError,
    },
    /// Its own scenario is not what it was.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

impl ExperimentError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// The scenario and its runs.
    pub sweep: Sweep,
    /// How large.
    pub scale: Scale,
    /// Which of the runs that are finished are run again.
    pub again: Again,
    /// The command that asks for it.
    pub command: String,
    /// How each is run; `out` is the folder of the whole.
    pub options: Options,
}

/// Which finished runs are run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// None: a sweep that was interrupted goes on.
    Nothing,
    /// Those in which the client was late or the bottleneck.
    Spoilt,
    /// All of them.
    Everything,
}

/// What an experiment left.
#[derive(Debug)]
pub struct Done {
    /// The finding and the claims, in lines.
    pub lines: Vec<String>,
    /// The scenario's claims that do not hold.
    pub broken: Vec<String>,
    /// Disturbances that failed or did not begin, with their runs.
    pub undone: Vec<String>,
    /// The page.
    pub page: PathBuf,
    /// What should be known before the figures are believed.
    pub warnings: Vec<String>,
    /// The user interrupted.
    pub interrupted: bool,
}

/// Runs everything that is not finished yet, and writes data, plots and page.
///
/// # Errors
/// [`ExperimentError`]; what is finished stays, and the next run goes on from there.
pub fn run(
    request: &Request,
    interrupt: &Interrupt,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Done, ExperimentError> {
    let out = &request.options.out;
    let mut points = Vec::new();
    let mut bench: Option<Bench> = None;
    let count = request.sweep.points.len();
    for (number, point) in request.sweep.points.iter().enumerate() {
        let title = if point.label.is_empty() { "the run" } else { &point.label };
        let folder = out.join("points").join(format!("{number:02}-{}", slug(&point.label)));
        if let Some(finished) = finished(&folder, point, request) {
            say(&format!("[{}/{count}] {title}: finished already", number + 1));
            points.push(finished);
            continue;
        }
        if interrupt.raised() {
            break;
        }
        say(&format!("[{}/{count}] {title}", number + 1));
        match run_point(request, point, &folder, &mut bench, interrupt, say) {
            Ok(Some(data)) => points.push(data),
            Ok(None) | Err(RunError::Interrupted) => break,
            Err(error) => {
                return Err(ExperimentError::Run { label: title.to_owned(), error });
            }
        }
    }
    drop(bench);
    write(request, points, interrupt.raised())
}

/// One run from its servers to its figures; none when the user interrupted it.
fn run_point(
    request: &Request,
    point: &Point,
    folder: &Path,
    bench: &mut Option<Bench>,
    interrupt: &Interrupt,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Option<PointData>, RunError> {
    let options =
        Options { out: folder.to_owned(), source: point.text.clone(), ..request.options.clone() };
    if bench.as_ref().is_some_and(|bench| !bench.fits(&point.scenario)) {
        *bench = None;
    }
    let mut servers = match bench.take() {
        Some(servers) => servers,
        None => Bench::start(&point.scenario.stack, &options, say)?,
    };
    let measured = servers.measure(&point.scenario, &options, interrupt, say)?;
    // What was disturbed is not what another run expects.
    *bench = point.scenario.chaos.is_empty().then_some(servers);
    let evaluated = measured.report(&options, interrupt, say)?;
    if interrupt.raised() {
        return Ok(None);
    }
    let data = figures_of(folder, point, request, evaluated.warnings, evaluated.undone);
    let text = serde_json::to_vec(&data).map_err(|error| RunError::Results(error.into()))?;
    fs::write(folder.join("point.json"), text).map_err(RunError::Results)?;
    Ok(Some(data))
}

/// The figures of a run, with what its plan says of it.
fn figures_of(
    folder: &Path,
    point: &Point,
    request: &Request,
    warnings: Vec<String>,
    undone: Vec<String>,
) -> PointData {
    let mut data = figures::of(folder);
    data.label = point.label.clone();
    data.digest = digest(point, request);
    data.at = point.at.clone();
    data.rate = point.scenario.drive.rate.to_string();
    data.warnings = warnings;
    data.undone = undone;
    figures::derived::add(&mut data, &point.scenario);
    let commands = point.scenario.drive.tx.unwrap_or(0).max(1);
    data.figures.insert("commands_per_request".to_owned(), commands as f64);
    data
}

/// A run of the same plan that is finished: one whose disturbances failed is not. Its figures are
/// read anew: this program may know more of them than the one that ran it.
fn finished(folder: &Path, point: &Point, request: &Request) -> Option<PointData> {
    let kept = request.again != Again::Everything;
    let text = fs::read(folder.join("point.json")).ok().filter(|_| kept)?;
    let data: PointData = serde_json::from_slice(&text).ok()?;
    let done = data.digest == digest(point, request) && data.undone.is_empty();
    let good = request.again == Again::Nothing || !data.is_spoilt();
    (done && good).then(|| figures_of(folder, point, request, data.warnings, Vec::new()))
}

/// The same plan with and without probes is not the same.
fn digest(point: &Point, request: &Request) -> String {
    let how = if request.options.probes { "probed" } else { "unprobed" };
    format!("{}-{how}", point.digest)
}

fn slug(label: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = label.chars().map(plain).collect();
    let text: Vec<&str> = text.split('-').filter(|word| !word.is_empty()).collect();
    text.join("-").chars().take(60).collect()
}

fn write(
    request: &Request,
    mut points: Vec<PointData>,
    interrupted: bool,
) -> Result<Done, ExperimentError> {
    let scenario = &request.sweep.scenario;
    let out = &request.options.out;
    fs::create_dir_all(out).map_err(ExperimentError::file(out))?;
    if !scenario.plots.iter().any(|plot| plot.x == "time") {
        points.iter_mut().for_each(|point| point.time_series = Default::default());
    }
    let mut warnings: Vec<String> = Vec::new();
    for warning in points.iter().flat_map(|point| &point.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    let undone = points.iter().flat_map(|point| {
        let run = if point.label.is_empty() { "the run" } else { &point.label };
        point.undone.iter().map(move |what| format!("{run}: {what}"))
    });
    let undone = undone.collect();
    let data = Data {
        format: FORMAT,
        scenario: scenario.name.clone(),
        question: scenario.question.clone(),
        scale: request.scale.word().to_owned(),
        command: request.command.clone(),
        tool: request.options.tool.clone(),
        server: server_version(&request.options),
        host: HostFacts::of_this_host(),
        points,
    };
    let path = out.join("data.json");
    let text = compact(&data);
    fs::write(&path, text).map_err(ExperimentError::file(&path))?;
    let path = out.join("scenario.toml");
    fs::write(&path, &request.sweep.text).map_err(ExperimentError::file(&path))?;
    let Rendered { lines, broken } = render(out)?;
    Ok(Done { lines, broken, undone, page: out.join("README.md"), warnings, interrupted })
}

/// The data with a line for each run: what changes is then seen in a diff.
fn compact(data: &Data) -> String {
    let mut head = data.clone();
    let points = std::mem::take(&mut head.points);
    let head = serde_json::to_string_pretty(&head).unwrap_or_default();
    let lines: Vec<String> =
        points.iter().map(|point| serde_json::to_string(point).unwrap_or_default()).collect();
    head.replace("\"points\": []", &format!("\"points\": [\n{}\n]", lines.join(",\n"))) + "\n"
}

/// What the program says of itself; of the user's servers what the first one says.
fn server_version(options: &Options) -> String {
    if let Some(url) = options.urls.first() {
        let info = stallion_server::Target::parse(url).ok().and_then(|target| {
            let mut connection = target.connect().ok()?;
            Info::ask(&mut connection, "server").ok()
        });
        let version = info.map(|info| info.text("redis_version").to_owned()).unwrap_or_default();
        return format!("redis {version}");
    }
    let program = ["redis-server", "valkey-server"];
    let told = program.iter().find_map(|program| {
        let output = std::process::Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let told = told.unwrap_or_default();
    told.split(" sha=").next().unwrap_or_default().trim().to_owned()
}

/// Reads the data and the scenario of a results' folder.
fn read(folder: &Path) -> Result<(Scenario, String, Data), ExperimentError> {
    let path = folder.join("scenario.toml");
    let text = fs::read_to_string(&path).map_err(ExperimentError::file(&path))?;
    let scenario = Scenario::parse(&path.display().to_string(), &text)?;
    let path = folder.join("data.json");
    let bytes = fs::read(&path).map_err(ExperimentError::file(&path))?;
    let data = serde_json::from_slice(&bytes)
        .map_err(|error| ExperimentError::file(&path)(error.into()))?;
    Ok((scenario, text, data))
}
