//! The packages themselves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::pages::Pages;
use super::program::Program;
use super::tree::Tree;
use crate::{install, shell};

const SUMMARY: &str = "drives Redis shards to their ceiling and names every stall";
const DESCRIPTION: [&str; 3] = [
    "A load generator with a fixed schedule on io_uring, eBPF probes that time what stalls a",
    "redis-server or valkey-server, and a report that joins both. The program is static and",
    "needs no other package.",
];

pub(super) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The same time in all files of a package, so that the same sources make the same package: that of
/// the last commit.
fn epoch() -> String {
    let told = shell::output_quietly(&["git", "log", "-1", "--format=%ct"]);
    told.map_or_else(|| "0".to_owned(), |text| text.trim().to_owned())
}

/// For Debian, Ubuntu and their kin.
pub(super) fn deb(program: &Program, pages: &Pages, out: &Path) -> anyhow::Result<PathBuf> {
    let arch = program.architecture.debian;
    let tree = Tree::of_system(out.join("deb").join(arch), program, pages)?;
    let license = fs::read_to_string(shell::root().join("LICENSE-MIT"))?;
    tree.write("usr/share/doc/stallion/copyright", &license)?;
    tree.write("DEBIAN/control", &control(&tree, arch)?)?;
    let package = out.join("release").join(format!("stallion_{}_{arch}.deb", version()));
    let epoch = format!("SOURCE_DATE_EPOCH={}", epoch());
    let build = ["env", &epoch, "dpkg-deb", "--root-owner-group", "-Zxz", "--build"];
    shell::run(&[&build[..], &[&tree.path(), &package.display().to_string()]].concat())?;
    Ok(package)
}

fn control(tree: &Tree, arch: &str) -> anyhow::Result<String> {
    let used = shell::output(&["du", "--summarize", "--block-size=1K", &tree.path()])?;
    let kib = used.split_whitespace().next().context("no size")?.to_owned();
    Ok(format!(
        "Package: stallion\nVersion: {}\nArchitecture: {arch}\n\
         Maintainer: The Stallion developers <stallion@localhost>\nInstalled-Size: {kib}\n\
         Suggests: redis-server | valkey-server\nSection: utils\nPriority: optional\n\
         Description: {SUMMARY}\n {}\n",
        version(),
        DESCRIPTION.join("\n ")
    ))
}

/// For Fedora, RHEL, SUSE and their kin.
pub(super) fn rpm(program: &Program, pages: &Pages, out: &Path) -> anyhow::Result<PathBuf> {
    if !shell::installed(&["rpmbuild"]) {
        install::ensure_apt(&["rpm"])?;
    }
    let name = program.architecture.name;
    let tree = Tree::of_system(out.join("rpm").join(name), program, pages)?;
    let top = out.join("rpmbuild").join(name);
    fs::create_dir_all(&top)?;
    let spec = top.join("stallion.spec");
    fs::write(&spec, spec_text(&tree))?;
    let (top_define, target) = (format!("_topdir {}", top.display()), format!("{name}-linux"));
    let (epoch, spec) = (format!("SOURCE_DATE_EPOCH={}", epoch()), spec.display().to_string());
    shell::run(&[
        "env",
        &epoch,
        "rpmbuild",
        "-bb",
        "--quiet",
        "--target",
        &target,
        "--define",
        &top_define,
        &spec,
    ])?;
    let built = format!("stallion-{}-1.{name}.rpm", version());
    let package = out.join("release").join(&built);
    fs::copy(top.join("RPMS").join(name).join(&built), &package)?;
    Ok(package)
}

fn spec_text(tree: &Tree) -> String {
    format!(
        "%global debug_package %{{nil}}\n%global __os_install_post %{{nil}}\n\
         %global _build_id_links none\n%global use_source_date_epoch_as_buildtime 1\n\
         Name: stallion\nVersion: {}\nRelease: 1\nSummary: {SUMMARY}\n\
         License: MIT OR Apache-2.0\nAutoReqProv: no\n\
         %description\n{}\n%install\ncp -a {}/. %{{buildroot}}/\n\
         %files\n%defattr(-,root,root)\n/usr/bin/stallion\n/usr/share/man/man1/*\n\
         /usr/share/bash-completion/completions/stallion\n/usr/share/zsh/site-functions/_stallion\n\
         /usr/share/fish/vendor_completions.d/stallion.fish\n%doc /usr/share/doc/stallion\n",
        version(),
        DESCRIPTION.join("\n"),
        tree.path()
    )
}

/// Everything in one folder, to be unpacked anywhere.
pub(super) fn archive(program: &Program, pages: &Pages, out: &Path) -> anyhow::Result<PathBuf> {
    let name = format!("stallion-{}-{}-linux", version(), program.architecture.name);
    let tree = Tree::new(out.join(&name))?;
    tree.add(&program.path, "stallion", 0o755)?;
    for entry in fs::read_dir(pages.of("man"))? {
        let page = entry?;
        tree.add(&page.path(), &format!("man/{}", page.file_name().to_string_lossy()), 0o644)?;
    }
    for (file, to) in [
        ("stallion", "completions/stallion.bash"),
        ("_stallion", "completions/_stallion"),
        ("stallion.fish", "completions/stallion.fish"),
        ("stallion.toml", "stallion.toml.example"),
    ] {
        tree.add(&pages.of(file), to, 0o644)?;
    }
    for file in ["README.md", "SECURITY.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        tree.add(&shell::root().join(file), file, 0o644)?;
    }
    let path = out.join("release").join(format!("{name}.tar.gz"));
    let (file, time) = (path.display().to_string(), format!("--mtime=@{}", epoch()));
    let folder = out.display().to_string();
    let same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", &time];
    let create = ["tar", "--create", "--gzip", "--file", &file, "--directory", &folder];
    shell::run(&[&create[..], &same[..], &[&name]].concat())?;
    Ok(path)
}

/// What debuggers want, packed by itself.
pub(super) fn debug(program: &Program, out: &Path) -> anyhow::Result<PathBuf> {
    let name = format!("stallion-{}-{}.debug", version(), program.architecture.name);
    let path = out.join("release").join(name);
    fs::copy(&program.debug, &path)?;
    shell::run(&["gzip", "--force", "--no-name", &path.display().to_string()])?;
    Ok(path.with_extension("debug.gz"))
}

/// `sha256sum --check SHA256SUMS` in the same folder says whether they arrived whole.
pub(super) fn checksums(out: &Path) -> anyhow::Result<()> {
    let folder = out.join("release");
    let sums =
        "rm -f SHA256SUMS && sha256sum -- * > SHA256SUMS && sha256sum --check --quiet SHA256SUMS";
    let status = shell::command(&["sh", "-c", sums]).current_dir(&folder).status()?;
    anyhow::ensure!(status.success(), "no checksums in {}", folder.display());
    Ok(())
}
