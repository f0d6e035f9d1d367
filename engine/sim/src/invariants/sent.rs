//! A bundle that was sent does not change, because others may have it, whatever the answer was.

use crate::finding::{Finding, Law};
use crate::ledger::{Ledger, Name};

/// No bundle that was sent was given other content under its name. (A device that has lost commits, or was copied, may not know that
/// it was sent.)
pub(crate) fn stays(ledger: &Ledger, moved: &[(Name, Name)]) -> Result<(), Finding> {
    let anew = |(old, new): &&(Name, Name)| old.0 == new.0 && old != new && ledger.was_sent(*old);
    match moved.iter().filter(anew).find(|(old, _)| !ledger.may_fork(old.0.origin)) {
        None => Ok(()),
        Some((old, _)) => {
            let detail = format!("bundle {} was sent, and is rewritten under its name", old.0);
            Err(Finding { law: Law::SentStays, detail })
        }
    }
}
