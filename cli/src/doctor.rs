//! `stallion doctor`: what this host can and cannot do, on one screen.

use std::io::IsTerminal;

use stallion_client::audit::kernel_tls::KernelTls;
use stallion_probes::capability::{Finding, Grade, Section, examine};
use stallion_timeline::HostFacts;

use crate::exit::Outcome;

/// The flags of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  stallion doctor                  what this host can do, what it cannot, and how to get it
  sudo stallion doctor             tries the probes' hooks, too
  stallion doctor --fix            the commands that mend what is missing; none of them is run
  stallion doctor --json

Each line is tried on this host, not guessed from a version. Run it as root to have the hooks of
the probes tried, too. It changes nothing: the remedies are for you to type.")]
pub(crate) struct Args {
    /// One JSON object instead of a screen
    #[arg(long)]
    json: bool,
    /// Print the commands that mend what was found, and run none of them
    #[arg(long, conflicts_with = "json")]
    fix: bool,
}

/// What the kernel has of TLS: nothing that is used, but worth a line.
fn kernel_tls() -> Finding {
    match KernelTls::of_this_host() {
        found @ KernelTls::There => Finding::good("kernel TLS", found.words()),
        found @ KernelTls::Missing(_) => {
            let remedy = "nothing is lost: --tls seals and opens in user space";
            Finding::bad("kernel TLS", Grade::Fair, found.words(), remedy)
        }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut sections = examine();
    if let Some(client) = sections.first_mut() {
        client.findings.push(kernel_tls());
    }
    if args.json {
        println!("{}", to_json(&sections));
        return Ok(());
    }
    if args.fix {
        print!("{}", script(&sections));
        return Ok(());
    }
    println!("{}\n", HostFacts::of_this_host().line());
    let colour = std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for section in &sections {
        println!("{}", section.title);
        for finding in &section.findings {
            println!("  {}", line(finding, colour));
        }
    }
    Ok(())
}

/// What can be mended, as a script that somebody reads before he runs it.
fn script(sections: &[Section]) -> String {
    let bad = || {
        let all = sections.iter().flat_map(|section| &section.findings);
        all.filter(|finding| finding.grade != Grade::Good)
    };
    let mut lines =
        vec!["# None of this was run. Read it, and type what you want, as root.".to_owned()];
    for finding in bad().filter(|finding| !finding.commands.is_empty()) {
        lines.push(format!("\n# {}: {}", finding.name, finding.found));
        if finding.commands.iter().any(|command| command.starts_with("ulimit")) {
            lines.push("# (in the shell that starts stallion)".to_owned());
        }
        lines.extend(finding.commands.iter().cloned());
    }
    if lines.len() == 1 {
        lines.push("# There is nothing that a command could mend.".to_owned());
    }
    for finding in bad().filter(|finding| finding.commands.is_empty()) {
        lines.push(format!("\n# {}: {}\n#   {}", finding.name, finding.found, finding.remedy));
    }
    lines.join("\n") + "\n"
}

fn to_json(sections: &[Section]) -> serde_json::Value {
    sections
        .iter()
        .map(|section| {
            let findings: Vec<_> = section.findings.iter().map(Finding::to_json).collect();
            (section.title.to_owned(), findings.into())
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn line(finding: &Finding, colour: bool) -> String {
    let (mark, shade) = match finding.grade {
        Grade::Good => ("ok", 32),
        Grade::Fair => ("~~", 33),
        Grade::Poor => ("no", 31),
    };
    let mark = if colour { format!("\x1b[{shade}m{mark}\x1b[0m") } else { mark.to_owned() };
    let remedy = match finding.remedy.as_str() {
        "" => String::new(),
        remedy => format!("\n{:30}-> {remedy}", ""),
    };
    format!("{mark}  {:<24}{}{remedy}", finding.name, finding.found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_commands_and_what_no_command_mends_in_comments() {
        let findings = vec![
            Finding::bad("somaxconn", Grade::Fair, "128", "x")
                .by("sysctl -w net.core.somaxconn=1024"),
            Finding::bad("CPUs", Grade::Fair, "2", "figures are relative"),
            Finding::good("NUMA", "one node"),
        ];
        let text = script(&[Section { title: "host", findings }]);
        let commands: Vec<_> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(commands, ["sysctl -w net.core.somaxconn=1024"]);
        assert!(text.contains("# CPUs: 2\n#   figures are relative"), "{text}");
        let nothing = script(&[]);
        assert!(nothing.contains("nothing that a command could mend"), "{nothing}");
    }

    #[test]
    fn a_remedy_stands_under_its_line_and_colour_is_a_choice() {
        let bad = Finding::bad("file limit", Grade::Poor, "1024", "ulimit -n 10240");
        let text = line(&bad, false);
        assert!(text.starts_with("no  file limit") && text.contains("\n"), "{text}");
        assert!(text.ends_with("-> ulimit -n 10240") && !text.contains('\x1b'));
        assert!(line(&bad, true).contains("\x1b[31mno\x1b[0m"));
        assert_eq!(line(&Finding::good("x", "y"), false).lines().count(), 1);
    }
}
