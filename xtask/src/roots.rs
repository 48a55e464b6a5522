//! `cargo xtask roots`: what installs itself is installed in clean roots, which nothing has been in before.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::{dist, install, shell};

const SUITE: &str = "bookworm";

/// What every command of ours inside of a root is.
const XTASK: &str = "xtask() { CARGO_TARGET_DIR=/var/tmp/target \"$XTASK\" \"$@\" --yes; }
has() { for program; do command -v \"$program\" > /dev/null || { echo \"no $program\"; exit 1; }; done; }
no_service() { ! ls /etc/systemd/system/*.wants/\"$1\".service 2> /dev/null && ! ls /etc/rc3.d/S*\"$1\" 2> /dev/null; }
";

/// One thing that must work in a root of its own.
struct Case {
    name: &'static str,
    script: &'static str,
}

const CASES: [Case; 5] = [
    Case {
        name: "the demo's set-up, then the tests'",
        script: "xtask setup demo; has redis-server; no_service redis-server
            xtask setup test; has nutcracker promtool java ip; no_service nutcracker",
    },
    Case {
        name: "the tests' set-up, then the demo's",
        script: "xtask setup test; has redis-server nutcracker; no_service prometheus
            xtask setup demo | grep 'To be installed' && exit 1; true",
    },
    Case {
        name: "Valkey in place of Redis",
        script: "printf '#!/bin/sh\\n' > /usr/local/bin/valkey-server; chmod +x /usr/local/bin/valkey-server
            xtask setup demo; ! command -v redis-server",
    },
    Case {
        name: "without root the command is named",
        script: "setpriv --reuid 65534 --clear-groups \"$XTASK\" setup demo 2> /tmp/said && exit 1
            grep 'as root: apt-get .*install.* redis-server' /tmp/said",
    },
    Case {
        name: "the package, its doctor, a load and a probe",
        script: "xtask setup demo; dpkg -i /release/stallion_*_\"$(dpkg --print-architecture)\".deb
            stallion --version; stallion doctor > /tmp/doctor || true; grep 'eBPF object' /tmp/doctor
            redis-server --port 7391 --bind 127.0.0.1 --save '' --daemonize yes > /dev/null
            trap 'redis-cli -p 7391 shutdown nosave' EXIT; sleep 1
            stallion load -p 7391 --keys 1000
            stallion drive -p 7391 --keys 1000 --rate 500 --duration 4s --allow-invalid --out /tmp/run &
            stallion probe -p 7391 --for 3s --out /tmp/run.probe.jsonl; wait $!
            stallion report /tmp/run; ls -l /tmp/run/report.html /tmp/run.probe.jsonl",
    },
];

/// Runs every case, and names all that fail. The packages are those of `cargo xtask dist`.
pub(crate) fn run() -> anyhow::Result<()> {
    if !install::is_root() {
        bail!("clean roots are made by root only (sudo cargo xtask roots)");
    }
    let release = dist::folder().join("release");
    if !release.join("SHA256SUMS").is_file() {
        bail!("no packages to install: run `cargo xtask dist` (or `dist --debug`) first");
    }
    let base = base()?;
    let mut failed = Vec::new();
    for case in &CASES {
        println!("\n== {}", case.name);
        if let Err(error) = within(&base, &release, case) {
            println!("{error:#}");
            failed.push(case.name);
        }
    }
    match failed.is_empty() {
        true => {
            println!("\nroots: {} cases, all as they should be", CASES.len());
            Ok(())
        }
        false => bail!("in a clean root these fail: {}", failed.join("; ")),
    }
}

fn folder() -> PathBuf {
    shell::target().join("roots")
}

/// The smallest Debian, made once.
fn base() -> anyhow::Result<PathBuf> {
    let (base, done) = (folder().join(SUITE), folder().join(format!("{SUITE}.done")));
    if done.is_file() {
        return Ok(base);
    }
    install::ensure(&[install::Need::Program {
        any_of: &["debootstrap"],
        package: "debootstrap",
    }])?;
    fs::create_dir_all(folder())?;
    shell::run(&["debootstrap", "--variant=minbase", SUITE, &base.display().to_string()])?;
    fs::write(done, "")?;
    Ok(base)
}

/// Mounts of a name space of its own, so that nothing of it is left, however it ends.
const ENTER: &str = "
    mount -t tmpfs none \"$ROOM\"; mkdir \"$ROOM/changes\" \"$ROOM/work\" \"$ROOM/root\"
    mount -t overlay overlay -o lowerdir=\"$BASE\",upperdir=\"$ROOM/changes\",workdir=\"$ROOM/work\" \"$ROOM/root\"
    cd \"$ROOM/root\"
    mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev
    mkdir -p ./\"$TREE\" release; mount --bind -o ro \"$TREE\" ./\"$TREE\"; mount --bind \"$RELEASE\" release
    mount --bind \"$CACHE\" var/cache/apt/archives
    for file in /etc/resolv.conf /etc/pip.conf \"$HOME/.config/pip/pip.conf\" \"$HOME/.pip/pip.conf\"; do
        if [ -f \"$file\" ]; then mkdir -p \".$(dirname \"$file\")\"; cp -L \"$file\" \".$file\"; fi
    done
    if [ -f \"$AUTHORITIES\" ]; then
        cp \"$AUTHORITIES\" var/tmp/authorities.crt
        export PIP_CERT=/var/tmp/authorities.crt REQUESTS_CA_BUNDLE=/var/tmp/authorities.crt
    fi
    exec chroot . /bin/sh -euc \"$CASE\"";

fn within(base: &Path, release: &Path, case: &Case) -> anyhow::Result<()> {
    let (room, cache) = (folder().join("room"), folder().join("cache"));
    for folder in [&room, &cache.join("partial")] {
        fs::create_dir_all(folder)?;
    }
    let program = std::env::current_exe().context("the path of this program")?;
    let status = shell::command(&["unshare", "--mount", "--propagation", "private"])
        .args(["sh", "-euc", ENTER])
        .env("ROOM", room)
        .env("BASE", base)
        .env("CACHE", cache)
        .env("RELEASE", release)
        .env("TREE", shell::root())
        .env("XTASK", program)
        // Of the host: a mirror may be signed by an authority that a fresh root does not know.
        .env("AUTHORITIES", "/etc/ssl/certs/ca-certificates.crt")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CASE", format!("{XTASK}{}", case.script))
        .status()?;
    if !status.success() {
        bail!("{}: {status}", case.name);
    }
    Ok(())
}
