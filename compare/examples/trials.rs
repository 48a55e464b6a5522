//! How often comparisons answer rightly: `trials N [TIMELINE…]` prints a line of JSON for each scenario
//! and true ratio, from so many seeded pairs each. A timeline's stretches are dealt to two sides by chance,
//! five seconds at a time, and one side's response times are made longer by the ratio. `cargo xtask bench
//! compare` makes a table of it.

use std::error::Error;
use std::path::Path;
use std::thread;

use serde_json::json;
use stallion_compare::Side;
use stallion_compare::trial::{Scenario, Tally};
use stallion_timeline::Timeline;

/// True ratios: none, and three that should be found.
const RATIOS: [f64; 4] = [1.0, 1.03, 1.1, 2.0];

/// Reads the arguments, and prints as scenarios are done.
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let trials: u64 = args.next().ok_or("how many trials?")?.parse()?;
    let mut real = Vec::new();
    for path in args {
        let run = Timeline::read(Path::new(&path))?;
        real.push(Side::of(&path, [&run])?);
    }
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            for ratio in RATIOS {
                if !real.is_empty() {
                    print("real runs", ratio, &Tally::of_dealt(&real, ratio, trials));
                }
                let last = Scenario::ALL.last();
                last.iter().for_each(|it| print(it.name(), ratio, &Tally::of(**it, ratio, trials)));
            }
        });
        for scenario in Scenario::ALL.iter().take(Scenario::ALL.len() - 1) {
            for ratio in RATIOS {
                print(scenario.name(), ratio, &Tally::of(*scenario, ratio, trials));
            }
        }
        others.join().map_err(|_| "a thread of trials ended early".into())
    })
}

fn print(scenario: &str, ratio: f64, tally: &Tally) {
    println!("{}", json!({ "scenario": scenario, "ratio": ratio, "tally": tally }));
}
