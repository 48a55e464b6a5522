//! From what was measured to its report.

use super::Options;
use super::outcome::{Finished, RunError, failed, succeeded};
use super::results::Results;
use super::verb::{Importance, Verb};
use stallion_stack::interrupt::Interrupt;

/// A run that is measured, and not yet evaluated.
#[derive(Debug)]
pub struct Measured {
    pub(super) results: Results,
    pub(super) report: Vec<String>,
    pub(super) servers: Vec<String>,
    pub(super) invalid: bool,
    pub(super) warnings: Vec<String>,
    pub(super) undone: Vec<String>,
}

impl Measured {
    /// Evaluates what was measured.
    ///
    /// # Errors
    /// [`RunError::Verb`], when the report fails.
    pub fn report(
        self,
        options: &Options,
        interrupt: &Interrupt,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Finished, RunError> {
        if interrupt.raised() {
            say("interrupted: reporting what was measured until then");
        }
        let log = self.results.report_log();
        let start = Verb::start(&options.program, &self.report, Some(&log), Importance::Other);
        let mut verb = start.map_err(failed("report", None))?;
        // The user's Ctrl-C ended the measurement; its report is still wanted.
        let status = verb.wait(&Interrupt::new()).map_err(failed("report", Some(log.clone())))?;
        succeeded("report", status, Some(log))?;
        Ok(Finished {
            summary: self.results.summary().into_iter().chain(self.servers).collect(),
            html: self.results.html(),
            invalid: self.invalid,
            interrupted: interrupt.raised(),
            warnings: self.warnings,
            undone: self.undone,
        })
    }
}
