//! Error replies of a cluster: what is read is in the text, and can be written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stallion_resp::redirect::{Redirect, read};
use stallion_resp::units::SLOTS;

fuzz_target!(|text: &[u8]| {
    let Some(found) = read(text) else { return };
    let (word, elsewhere) = match found {
        Redirect::Moved(elsewhere) => ("MOVED", elsewhere),
        Redirect::Ask(elsewhere) => ("ASK", elsewhere),
        _ => return,
    };
    assert!(elsewhere.slot.0 < SLOTS && elsewhere.port > 0);
    let written = format!("{word} {} {}:{}", elsewhere.slot.0, elsewhere.host, elsewhere.port);
    assert_eq!(read(written.as_bytes()), Some(found), "{written}");
});
