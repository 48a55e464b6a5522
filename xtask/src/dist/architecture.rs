//! The machines that are released for.

/// A machine, in the words of each tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Architecture {
    /// As the kernel, rpm and the archives call it.
    pub(super) name: &'static str,
    pub(super) debian: &'static str,
    /// With the C library inside: the program needs nothing of the system it runs on.
    pub(super) triple: &'static str,
    /// The C compiler for what of the dependencies is C, and its Debian package.
    pub(super) compiler: &'static str,
    pub(super) package: &'static str,
}

pub(super) const X86_64: Architecture = Architecture {
    name: "x86_64",
    debian: "amd64",
    triple: "x86_64-unknown-linux-musl",
    compiler: "musl-gcc",
    package: "musl-tools",
};

pub(super) const AARCH64: Architecture = Architecture {
    name: "aarch64",
    debian: "arm64",
    triple: "aarch64-unknown-linux-musl",
    compiler: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu",
};

impl Architecture {
    /// That of this machine.
    pub(super) fn here() -> Option<Self> {
        [X86_64, AARCH64].into_iter().find(|one| one.name == std::env::consts::ARCH)
    }

    /// What cargo and the crates that build C want to know.
    pub(super) fn environment(self) -> [(String, &'static str); 2] {
        let under = self.triple.replace('-', "_");
        [
            (format!("CC_{under}"), self.compiler),
            (format!("CARGO_TARGET_{}_LINKER", under.to_uppercase()), self.linker()),
        ]
    }

    /// Rust brings musl's start files and library itself, so that any linker for the machine serves.
    fn linker(self) -> &'static str {
        if Self::here().is_some_and(|here| here.name == self.name) { "cc" } else { self.compiler }
    }
}
