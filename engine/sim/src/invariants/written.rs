//! No bundle is in a log that nobody has written, and nobody writes one number twice.

use crate::finding::{Finding, Law};
use crate::image::Image;
use crate::ledger::{Ledger, Name};

/// New bundles of a log's own origin are writes, and noted as such; all others must have been written.
pub(crate) fn is_known(ledger: &mut Ledger, image: &Image, bundles: &[Name]) -> Result<(), Finding> {
    for name in bundles {
        if ledger.knows(*name) {
            continue;
        }
        let (dot, _) = *name;
        if image.identity != Some(dot.origin) {
            let detail = format!("bundle {dot} is in the log, and nobody has written it");
            return Err(Finding { law: Law::NothingInvented, detail });
        }
        let rewritten = ledger.has_moved(dot);
        if ledger.write(*name) && !rewritten && !ledger.may_fork(dot.origin) {
            let detail = format!("bundle {dot} was written twice, with different content");
            return Err(Finding { law: Law::NothingTwice, detail });
        }
    }
    Ok(())
}
