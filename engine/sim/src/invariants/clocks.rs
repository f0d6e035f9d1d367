//! No foreign clock drags another further than the bound. (That times rise per origin is checked with contiguity.)

use syncline::NTP64;

use crate::finding::{Finding, Law};
use crate::image::Image;
use crate::ledger::Name;

/// No bundle just added, and not the log's clock, lies beyond `bound`.
pub(crate) fn within(image: &Image, bundles: &[Name], bound: NTP64) -> Result<(), Finding> {
    for (dot, _) in bundles {
        let time = image.entry(*dot).map_or(NTP64(0), |entry| entry.time);
        if time > bound {
            let ahead = syncline::time::ahead(time, bound).as_secs();
            let detail = format!("bundle {dot} was taken although its time lies {ahead} s beyond the bound");
            return Err(Finding { law: Law::ClocksStayBound, detail });
        }
    }
    if image.clock > bound {
        let ahead = syncline::time::ahead(image.clock, bound).as_secs();
        let detail = format!("the log's clock was dragged {ahead} s beyond the bound");
        return Err(Finding { law: Law::ClocksStayBound, detail });
    }
    Ok(())
}
