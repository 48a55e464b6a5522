//! Offsets of kernel struct fields from the kernel's own type information (BTF).
//!
//! The probes read three words of a `task_struct`, whose layout differs between kernels. The
//! format is small enough to be read here: <https://docs.kernel.org/bpf/btf.html>.

use std::fs;
use std::path::Path;

/// Where the kernel shows its types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;

const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_POINTER: u32 = 2;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNCTION: u32 = 12;
const KIND_PROTOTYPE: u32 = 13;

/// Extra bytes after a type's 12-byte head, by kind: a fixed number, and a number per member.
const EXTRA_BYTES: [(usize, usize); 20] = [
    (0, 0),  // unknown
    (4, 0),  // int
    (0, 0),  // pointer
    (12, 0), // array
    (0, 12), // struct
    (0, 12), // union
    (0, 8),  // enum
    (0, 0),  // forward
    (0, 0),  // typedef
    (0, 0),  // volatile
    (0, 0),  // const
    (0, 0),  // restrict
    (0, 0),  // function
    (0, 8),  // function prototype
    (4, 0),  // variable
    (0, 12), // data section
    (0, 0),  // float
    (4, 0),  // declaration tag
    (0, 0),  // type tag
    (0, 12), // enum64
];

/// The kernel's types.
#[derive(Debug)]
pub struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Offset of each type in `types`; type 0 is void.
    offsets: Vec<usize>,
}

/// Byte offsets that the kernel side needs; 0 stands for unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskOffsets {
    /// `task_struct.pid`.
    pub pid: u32,
    /// `task_struct.tgid`.
    pub tgid: u32,
    /// `task_struct.comm`.
    pub comm: u32,
    /// `task_struct.ioac.syscr`, which `syscw` follows.
    pub io_count: u32,
}

impl TaskOffsets {
    /// Those of the running kernel; all unknown when it shows no types.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        Btf::read(Path::new(VMLINUX)).map_or_else(Self::default, |btf| Self::from(&btf))
    }
}

impl From<&Btf> for TaskOffsets {
    fn from(btf: &Btf) -> Self {
        let task = |path: &[&str]| btf.offset("task_struct", path).unwrap_or(0);
        Self {
            pid: task(&["pid"]),
            tgid: task(&["tgid"]),
            comm: task(&["comm"]),
            io_count: task(&["ioac", "syscr"]),
        }
    }
}

impl Btf {
    /// Reads a BTF file; none when it is missing or of another format.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read(path).ok()?)
    }

    /// Parses BTF of this machine's byte order.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let header = word(bytes, 4)? as usize;
        let section = |at: usize| -> Option<Vec<u8>> {
            let start = header + word(bytes, at)? as usize;
            let length = word(bytes, at + 4)? as usize;
            bytes.get(start..start + length).map(<[u8]>::to_vec)
        };
        let types = section(8)?;
        let strings = section(16)?;
        // Type 0 is void: far beyond the end, and far from an overflow.
        let mut offsets = vec![usize::MAX / 2];
        let mut at = 0;
        while at + 12 <= types.len() {
            offsets.push(at);
            let info = word(&types, at + 4)?;
            let (fixed, each) = *EXTRA_BYTES.get(kind(info))?;
            at += 12 + fixed + each * members(info);
        }
        Some(Self { types, strings, offsets })
    }

    /// Byte offset of a field: `path` descends through structs by their field names, and through
    /// anonymous structs and unions by itself.
    #[must_use]
    pub fn offset(&self, name: &str, path: &[&str]) -> Option<u32> {
        let mut at = *self.offsets.iter().skip(1).find(|at| {
            word(&self.types, **at + 4).is_some_and(|info| kind(info) as u32 == KIND_STRUCT)
                && self.name(**at) == Some(name)
        })?;
        let mut bits = 0;
        for field in path {
            let (offset_bits, type_id) = self.member(at, field)?;
            bits += offset_bits;
            at = self.named(type_id);
        }
        Some(bits / 8)
    }

    /// Id of a function's type, by which fentry programs are attached.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<u32> {
        let index = self.offsets.iter().skip(1).position(|at| {
            word(&self.types, *at + 4).is_some_and(|info| kind(info) as u32 == KIND_FUNCTION)
                && self.name(*at) == Some(name)
        })?;
        u32::try_from(index + 1).ok()
    }

    /// How many parameters a function has that a type is the pointer to; each tracepoint has
    /// such a type, `btf_trace_NAME`.
    #[must_use]
    pub fn parameters(&self, typedef: &str) -> Option<usize> {
        let at = self
            .offsets
            .iter()
            .skip(1)
            .find(|at| self.is_kind(**at, KIND_TYPEDEF) && self.name(**at) == Some(typedef))?;
        let pointer = self.target(*at)?;
        let prototype = self.target(pointer).filter(|_| self.is_kind(pointer, KIND_POINTER))?;
        let known = self.is_kind(prototype, KIND_PROTOTYPE);
        known.then(|| word(&self.types, prototype + 4).map(members)).flatten()
    }

    /// A type without the names and qualifiers around it; void for one that is not there.
    fn named(&self, type_id: u32) -> usize {
        const AROUND: [u32; 3] = [KIND_TYPEDEF, KIND_VOLATILE, KIND_CONST];
        let mut at = self.offsets.get(type_id as usize).copied().unwrap_or(0);
        while AROUND.iter().any(|kind| self.is_kind(at, *kind)) {
            at = self.target(at).unwrap_or(0);
        }
        at
    }

    fn is_kind(&self, at: usize, wanted: u32) -> bool {
        word(&self.types, at + 4).is_some_and(|info| kind(info) as u32 == wanted)
    }

    /// The type that a typedef or a pointer refers to.
    fn target(&self, at: usize) -> Option<usize> {
        self.offsets.get(word(&self.types, at + 8)? as usize).copied()
    }

    /// Bit offset and type of a member of the struct at `at`.
    fn member(&self, at: usize, field: &str) -> Option<(u32, u32)> {
        let info = word(&self.types, at + 4)?;
        if !matches!(kind(info) as u32, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        for index in 0..members(info) {
            let member = at + 12 + 12 * index;
            let type_id = word(&self.types, member + 4)?;
            let bits = word(&self.types, member + 8)?;
            // With bit fields in the struct the upper byte is the field's width.
            let bits = if info >> 31 == 1 { bits & 0xff_ffff } else { bits };
            match self.name(member) {
                Some(name) if name == field => return Some((bits, type_id)),
                Some("") => {
                    let inner = self.offsets.get(type_id as usize).copied()?;
                    if let Some((inner_bits, inner_type)) = self.member(inner, field) {
                        return Some((bits + inner_bits, inner_type));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The name that the word at `at` refers to.
    fn name(&self, at: usize) -> Option<&str> {
        let start = word(&self.types, at)? as usize;
        let rest = self.strings.get(start..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn kind(info: u32) -> usize {
    (info >> 24 & 0x1f) as usize
}

fn members(info: u32) -> usize {
    (info & 0xffff) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct outer { int a; struct { int b; }; struct inner { int c; int d; } in; }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0outer\0a\0b\0inner\0c\0d\0in\0";
        let at = |name: &str| {
            let pattern = [b"\0", name.as_bytes(), b"\0"].concat();
            let found = strings.windows(pattern.len()).position(|part| part == pattern);
            found.unwrap() as u32 + 1
        };
        let structure = |count: u32| KIND_STRUCT << 24 | count;
        let types: Vec<u32> = [
            vec![at("int"), 1 << 24, 4, 32],
            vec![at("inner"), structure(2), 8, at("c"), 1, 0, at("d"), 1, 32],
            vec![0, structure(1), 4, at("b"), 1, 0],
            vec![at("outer"), structure(3), 16, at("a"), 1, 0, 0, 3, 32, at("in"), 2, 64],
        ]
        .concat();
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn fields_are_found_through_nested_and_anonymous_structs() {
        let btf = Btf::parse(&sample()).unwrap();
        assert_eq!(btf.offset("outer", &["a"]), Some(0));
        assert_eq!(btf.offset("outer", &["b"]), Some(4));
        assert_eq!(btf.offset("outer", &["in", "d"]), Some(12));
        assert_eq!(btf.offset("outer", &["in", "x"]), None);
        assert_eq!(btf.offset("nobody", &["a"]), None);
    }

    #[test]
    fn tracepoints_have_the_parameters_that_this_kernel_gives_them() {
        if let Some(btf) = Btf::read(Path::new(VMLINUX)) {
            // The program's own pointer, preempt, previous, next and, since 5.18, the state.
            let count = btf.parameters("btf_trace_sched_switch").unwrap();
            assert!((4..=5).contains(&count), "{count}");
            assert_eq!(btf.parameters("btf_trace_nothing"), None);
        }
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert!(Btf::parse(b"").is_none());
        assert!(Btf::parse(&[0; 64]).is_none());
        let mut cut = sample();
        cut.truncate(30);
        assert!(Btf::parse(&cut).is_none());
    }

    #[test]
    fn this_kernel_has_a_task_struct() {
        if Path::new(VMLINUX).exists() {
            let offsets = TaskOffsets::of_this_kernel();
            assert!(offsets.pid > 0 && offsets.tgid == offsets.pid + 4, "{offsets:?}");
        }
    }
}
