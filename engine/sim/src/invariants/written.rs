//! No bundle is in a log that nobody has written, and nobody writes one number twice.

use syncline::format::ChainHash;
use syncline::{Dot, NTP64, Seq};

use crate::finding::{Finding, Law};
use crate::image::{Entry, Image};
use crate::ledger::{Ledger, Name, Written};

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
        let (rewritten, written) = (ledger.has_moved(dot), written(image, *name));
        if ledger.write(dot, written) && !rewritten && !ledger.may_fork(dot.origin) {
            let detail = format!("bundle {dot} was written twice, with different content");
            return Err(Finding { law: Law::NothingTwice, detail });
        }
    }
    Ok(())
}

/// A bundle of the log, with what it continues.
fn written(image: &Image, (dot, chain): Name) -> Written {
    let time = image.entry(dot).map_or(NTP64(0), |entry| entry.time);
    let before = Dot { seq: Seq::new(dot.seq.get() - 1), ..dot };
    let previous = image.entry(before).map_or(ChainHash::GENESIS, |before| before.chain);
    Written { entry: Entry { chain, time }, previous }
}
