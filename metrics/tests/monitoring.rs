//! compose/: every query names a metric that exists, promtool agrees with the rules and their tests,
//! and every compose file is one.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use docker_compose_types::{Compose, Service};
use serde_json::Value;
use stallion_metrics::catalogue;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("compose")
}

/// All files below a folder with an extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path, extension) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

/// The expressions of a dashboard or of rules, wherever they stand.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| expressions(part, found)),
        _ => {}
    }
}

fn names(expression: &str) -> impl Iterator<Item = &str> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    expression
        .split(move |letter| !is_word(letter))
        .filter(|word| word.starts_with("stallion_") || word.starts_with("redis_"))
}

/// A program that ends with its value.
struct Running(Child);

impl Running {
    fn start(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        Self(child.unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask test`")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What an HTTP server says to a GET, when it is there.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The names that redis_exporter has of a server in cluster mode.
fn exported() -> BTreeSet<String> {
    let (redis, exporter) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let port = redis.to_string();
    let args = ["--port", &port, "--dir", &place, "--save", "", "--cluster-enabled", "yes"];
    let _server = Running::start("redis-server", &args);
    let (address, listen) = (format!("redis://127.0.0.1:{redis}"), format!("127.0.0.1:{exporter}"));
    let args = ["-redis.addr", &address, "-web.listen-address", &listen];
    let _exporter = Running::start("prometheus-redis-exporter", &args);
    let begun = Instant::now();
    loop {
        let text = get(exporter, "/metrics").unwrap_or_default();
        if text.contains("redis_cluster_state") {
            let samples = text.lines().filter(|line| line.starts_with("redis_"));
            return samples.filter_map(|line| names(line).next()).map(str::to_owned).collect();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "redis_exporter says nothing of it");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_query_names_a_metric_that_exists() {
    let mut asked = Vec::new();
    for path in files(&folder().join("grafana/dashboards"), "json") {
        let text = std::fs::read_to_string(&path).unwrap();
        expressions(&serde_json::from_str(&text).unwrap(), &mut asked);
    }
    let rules = std::fs::read_to_string(folder().join("prometheus/rules.yml")).unwrap();
    expressions(&serde_norway::from_str(&rules).unwrap(), &mut asked);
    assert!(asked.len() > 40, "only {} queries were found", asked.len());
    let exported = exported();
    let exists = |name: &str| exported.contains(name) || catalogue::of_sample(name).is_some();
    let missing: Vec<&str> =
        asked.iter().flat_map(|query| names(query)).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "nobody exports {missing:?}");
}

#[test]
fn promtool_agrees() {
    let prometheus = folder().join("prometheus");
    for args in [
        ["check", "rules", "rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "rules_test.yml"],
    ] {
        let output = Command::new("promtool")
            .args(args)
            .current_dir(&prometheus)
            .output()
            .expect("promtool is installed (`cargo xtask test` installs it)");
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {args:?}: {text}{complaint}");
    }
}

#[test]
fn each_alert_has_a_test_and_a_reason() {
    let read =
        |name: &str| std::fs::read_to_string(folder().join("prometheus").join(name)).unwrap();
    let rules: Value = serde_norway::from_str(&read("rules.yml")).unwrap();
    let tests = read("rules_test.yml");
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no test");
        assert!(rule["annotations"]["reason"].is_string(), "{name} has no reason");
    }
}

fn compose(name: &str) -> Compose {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let mut value: serde_norway::Value = serde_norway::from_str(&text).unwrap();
    value.apply_merge().unwrap();
    serde_norway::from_value(value).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn services(compose: &Compose) -> impl Iterator<Item = (&String, &Service)> {
    compose.services.0.iter().filter_map(|(name, service)| Some((name, service.as_ref()?)))
}

#[test]
fn compose_files_are_compose_files() {
    for (name, count) in [("single.yml", 3), ("cluster.yml", 9), ("monitoring.yml", 3)] {
        let compose = compose(name);
        assert_eq!(services(&compose).count(), count, "{name}");
        for (service, what) in services(&compose) {
            let image = what.image.as_deref().expect("an image");
            let tag = image.split_once(':').expect("a tag").1;
            assert!(tag != "latest" && !tag.is_empty(), "{service} is not pinned");
            let is_server = service.starts_with("redis") && image.starts_with("redis:7");
            if is_server {
                assert!(what.healthcheck.is_some(), "{service} has no health check");
                let command = format!("{:?}", what.command);
                assert!(command.contains("maxmemory-policy"), "{service}: {command}");
            }
        }
    }
}
