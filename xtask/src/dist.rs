//! `cargo xtask dist`: what others install. Packages for Debian's and Fedora's kin, and archives, all
//! with a program that needs nothing of the system it runs on.

mod architecture;

mod program;

mod pages;

mod tree;

mod packages;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use self::architecture::{AARCH64, Architecture, X86_64};
use self::packages::version;
use self::pages::Pages;
use self::program::Program;
use self::tree::Tree;
use crate::shell;

/// Where packages and what they are made of lie; `release` below it has what is published.
pub(crate) fn folder() -> PathBuf {
    shell::target().join("dist")
}

/// Builds and packs for every machine; one that cannot be built for here is said, and fails at the end.
pub(crate) fn run() -> anyhow::Result<()> {
    let out = fresh()?;
    let here = Architecture::here().context("packages are made on x86-64 or aarch64")?;
    let mut others: Vec<Architecture> =
        [X86_64, AARCH64].into_iter().filter(|one| one.name != here.name).collect();
    others.insert(0, here);
    let mut pages = None;
    let mut failed = Vec::new();
    for architecture in others {
        // The pages are written by a program that runs here, which comes first.
        let packed = Program::build(architecture, &out).and_then(|program| {
            let pages = match pages.take() {
                Some(pages) => pages,
                None => Pages::make(&program.path, &out)?,
            };
            pack(&program, &pages, &out)?;
            Ok(pages)
        });
        match packed {
            Ok(made) => pages = Some(made),
            Err(error) => {
                println!("\nNo packages for {}: {error:#}\n", architecture.name);
                failed.push(architecture.name);
                if architecture.name == here.name {
                    break;
                }
            }
        }
    }
    packages::checksums(&out)?;
    shell::run(&["ls", "-l", &out.join("release").display().to_string()])?;
    if !failed.is_empty() {
        bail!("no packages for {}", failed.join(", "));
    }
    Ok(())
}

/// An empty folder for what is published.
fn fresh() -> anyhow::Result<PathBuf> {
    if !shell::installed(&["dpkg-deb"]) {
        bail!("a .deb is made by dpkg-deb: install the package dpkg");
    }
    let out = folder();
    let release = out.join("release");
    if release.exists() {
        fs::remove_dir_all(&release)?;
    }
    fs::create_dir_all(&release)?;
    Ok(out)
}

struct Packed {
    deb: PathBuf,
    archive: PathBuf,
}

fn pack(program: &Program, pages: &Pages, out: &Path) -> anyhow::Result<Packed> {
    let packed = Packed {
        deb: packages::deb(program, pages, out)?,
        archive: packages::archive(program, pages, out)?,
    };
    packages::rpm(program, pages, out)?;
    packages::debug(program, out)?;
    Ok(packed)
}

/// That what is packed can be unpacked and runs: with the program that the tests built (with these
/// features), since an optimised one takes minutes.
pub(crate) fn check(features: &[&str]) -> anyhow::Result<()> {
    shell::run(&[&["cargo", "build", "--package", "stallion"], features].concat())?;
    let out = fresh()?;
    let here = Architecture::here().context("packages are made on x86-64 or aarch64")?;
    let program = Program::split(here, &shell::target().join("debug/stallion"), &out)?;
    let pages = Pages::make(&program.path, &out)?;
    let packed = pack(&program, &pages, &out)?;
    packages::checksums(&out)?;
    let (debian, plain) = (Tree::new(out.join("unpacked-deb"))?, Tree::new(out.join("unpacked"))?);
    let [deb, archive] = [&packed.deb, &packed.archive].map(|path| path.display().to_string());
    shell::run(&["dpkg-deb", "--info", &deb])?;
    shell::run(&["dpkg-deb", "--extract", &deb, &debian.path()])?;
    let into = plain.path();
    let tar =
        ["tar", "--extract", "--strip-components=1", "--file", &archive, "--directory", &into];
    shell::run(&tar)?;
    for program in [debian.root.join("usr/bin/stallion"), plain.root.join("stallion")] {
        let told = shell::output(&[&program.display().to_string(), "--version"])?;
        if told.trim() != format!("stallion {}", version()) {
            bail!("{} says {told:?}", program.display());
        }
    }
    for (tree, file) in [
        (&debian, "usr/share/man/man1/stallion-drive.1.gz"),
        (&debian, "usr/share/bash-completion/completions/stallion"),
        (&debian, "usr/share/doc/stallion/examples/stallion.toml"),
        (&plain, "man/stallion-drive.1"),
        (&plain, "completions/_stallion"),
    ] {
        let size = fs::metadata(tree.root.join(file)).with_context(|| file.to_owned())?.len();
        if size == 0 {
            bail!("{file} is empty");
        }
    }
    Ok(())
}
