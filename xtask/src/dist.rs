//! `cargo xtask dist`: what others install: a package for Debian and its kin, and an archive of a
//! program that needs nothing of the system it runs on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::{install, shell};

const OUT: &str = "dist";

/// Programs of this target have their C library within.
const STATIC: &str = "x86_64-unknown-linux-musl";

/// The same time in all files of a package, so that the same sources make the same package: that of the
/// last commit.
fn epoch() -> String {
    let told = shell::output_quietly(&["git", "log", "-1", "--format=%ct"]);
    told.map_or_else(|| "0".to_owned(), |text| text.trim().to_owned())
}

/// Packs an optimised program of either kind.
pub(crate) fn run() -> anyhow::Result<()> {
    shell::run(&["cargo", "build", "--release", "--package", "stallion"])?;
    build_static()?;
    let (program, alone) = (built(None, "release"), built(Some(STATIC), "release"));
    for package in pack(&program, &alone, "linux-static")? {
        println!("{}", package.display());
    }
    Ok(())
}

/// Packs: the program for the package, and that for the archive of a kind.
fn pack(program: &Path, alone: &Path, kind: &str) -> anyhow::Result<[PathBuf; 2]> {
    if !shell::installed(&["dpkg-deb"]) {
        bail!("a .deb is made by dpkg-deb: install the package dpkg");
    }
    let out = shell::target().join(OUT);
    fs::create_dir_all(&out)?;
    let pages = Pages::make(program, &out)?;
    Ok([deb(program, &pages, &out)?, archive(alone, &pages, &out, kind)?])
}

fn built(triple: Option<&str>, profile: &str) -> PathBuf {
    let folder = shell::target().join(triple.unwrap_or_default());
    folder.join(profile).join("stallion")
}

fn build_static() -> anyhow::Result<()> {
    shell::run(&["rustup", "target", "add", STATIC])
        .context("the static program needs Rust's standard library for musl")?;
    if !shell::installed(&["musl-gcc"]) {
        // What of the dependencies is C (if any is) is built against musl, too.
        install::ensure_apt(&["musl-tools"])?;
    }
    shell::run(&["cargo", "build", "--release", "--package", "stallion", "--target", STATIC])
}

/// What the program writes of itself: the manual, completions, and a file of settings.
struct Pages {
    folder: PathBuf,
}

impl Pages {
    fn make(program: &Path, out: &Path) -> anyhow::Result<Self> {
        let folder = out.join("pages");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("man"))?;
        let name = program.display().to_string();
        let man = folder.join("man").display().to_string();
        shell::output(&[&name, "shell", "--man", &man])?;
        for (shell_name, file) in
            [("bash", "stallion"), ("zsh", "_stallion"), ("fish", "stallion.fish")]
        {
            let text = shell::output(&[&name, "shell", "--completions", shell_name])?;
            fs::write(folder.join(file), text)?;
        }
        fs::write(folder.join("stallion.toml"), shell::output(&[&name, "shell", "--settings"])?)?;
        Ok(Self { folder })
    }

    fn of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A tree of files to be packed.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn new(root: PathBuf) -> anyhow::Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    fn add(&self, from: &Path, to: &str, mode: u32) -> anyhow::Result<PathBuf> {
        let path = self.root.join(to);
        fs::create_dir_all(path.parent().context("a path with a folder")?)?;
        fs::copy(from, &path).with_context(|| from.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path)
    }

    fn write(&self, to: &str, text: &str) -> anyhow::Result<()> {
        let path = self.root.join(to);
        fs::create_dir_all(path.parent().context("a path with a folder")?)?;
        fs::write(path, text)?;
        Ok(())
    }

    fn path(&self) -> String {
        self.root.display().to_string()
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn architecture() -> anyhow::Result<String> {
    Ok(shell::output(&["dpkg", "--print-architecture"])?.trim().to_owned())
}

/// The package: program, manual, completions, and the file of settings as an example.
fn deb(program: &Path, pages: &Pages, out: &Path) -> anyhow::Result<PathBuf> {
    let tree = Tree::new(out.join("deb"))?;
    let binary = tree.add(program, "usr/bin/stallion", 0o755)?;
    shell::run(&["strip", "--strip-unneeded", &binary.display().to_string()])?;
    for entry in fs::read_dir(pages.of("man"))? {
        let page = entry?;
        let to = format!("usr/share/man/man1/{}", page.file_name().to_string_lossy());
        let path = tree.add(&page.path(), &to, 0o644)?;
        shell::output(&["gzip", "--best", "--no-name", &path.display().to_string()])?;
    }
    for (file, to) in [
        ("stallion", "usr/share/bash-completion/completions/stallion"),
        ("_stallion", "usr/share/zsh/vendor-completions/_stallion"),
        ("stallion.fish", "usr/share/fish/vendor_completions.d/stallion.fish"),
        ("stallion.toml", "usr/share/doc/stallion/examples/stallion.toml"),
    ] {
        tree.add(&pages.of(file), to, 0o644)?;
    }
    tree.add(&shell::root().join("README.md"), "usr/share/doc/stallion/README.md", 0o644)?;
    let license = fs::read_to_string(shell::root().join("LICENSE-MIT"))?;
    tree.write("usr/share/doc/stallion/copyright", &license)?;
    let arch = architecture()?;
    tree.write("DEBIAN/control", &control(&tree, &arch)?)?;
    let package = out.join(format!("stallion_{}_{arch}.deb", version()));
    let name = package.display().to_string();
    let epoch = format!("SOURCE_DATE_EPOCH={}", epoch());
    shell::run(&[
        "env",
        &epoch,
        "dpkg-deb",
        "--root-owner-group",
        "-Zxz",
        "--build",
        &tree.path(),
        &name,
    ])?;
    Ok(package)
}

fn control(tree: &Tree, arch: &str) -> anyhow::Result<String> {
    let used = shell::output(&["du", "--summarize", "--block-size=1K", &tree.path()])?;
    let kib = used.split_whitespace().next().context("no size")?.to_owned();
    Ok(format!(
        "Package: stallion\n\
         Version: {}\n\
         Architecture: {arch}\n\
         Maintainer: The Stallion developers <stallion@localhost>\n\
         Installed-Size: {kib}\n\
         Depends: libc6 (>= {}), libgcc-s1\n\
         Suggests: redis-server\n\
         Section: utils\n\
         Priority: optional\n\
         Description: drives Redis shards to their ceiling and names every stall\n \
         A load generator with a fixed schedule on io_uring, eBPF probes that time what stalls a\n \
         redis-server or valkey-server, and a report that joins both.\n",
        version(),
        libc_version()?
    ))
}

/// The C library that the program was linked against: an older one may lack what it calls.
fn libc_version() -> anyhow::Result<String> {
    let told = shell::output(&["getconf", "GNU_LIBC_VERSION"])?;
    Ok(told.split_whitespace().last().context("no version of the C library")?.to_owned())
}

/// The archive: everything in one folder, to be unpacked anywhere.
fn archive(program: &Path, pages: &Pages, out: &Path, kind: &str) -> anyhow::Result<PathBuf> {
    let name = format!("stallion-{}-{}-{kind}", version(), std::env::consts::ARCH);
    let tree = Tree::new(out.join(&name))?;
    let binary = tree.add(program, "stallion", 0o755)?;
    shell::run(&["strip", "--strip-unneeded", &binary.display().to_string()])?;
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
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        tree.add(&shell::root().join(file), file, 0o644)?;
    }
    let path = out.join(format!("{name}.tar.gz"));
    let (file, time) = (path.display().to_string(), format!("--mtime=@{}", epoch()));
    let folder = out.display().to_string();
    let same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", &time];
    shell::run(
        &[
            &["tar", "--create", "--gzip", "--file", &file, "--directory", &folder],
            &same[..],
            &[&name],
        ]
        .concat(),
    )?;
    Ok(path)
}

/// That what is packed can be unpacked and runs: the program that the tests built (with these
/// features), since an optimised one takes minutes.
pub(crate) fn check(features: &[&str]) -> anyhow::Result<()> {
    shell::run(&[&["cargo", "build", "--package", "stallion"], features].concat())?;
    let program = built(None, "debug");
    let [package, archive] =
        pack(&program, &program, "debug")?.map(|path| path.display().to_string());
    let out = shell::target().join(OUT);
    let (debian, plain) = (Tree::new(out.join("unpacked-deb"))?, Tree::new(out.join("unpacked"))?);
    shell::run(&["dpkg-deb", "--info", &package])?;
    shell::run(&["dpkg-deb", "--extract", &package, &debian.path()])?;
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
