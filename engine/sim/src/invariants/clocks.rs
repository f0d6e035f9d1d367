//! No foreign clock drags another further than the bound. (That times rise per origin is checked with contiguity.)

use std::time::Duration;

use syncline::NTP64;

use crate::finding::{Finding, Law};
use crate::image::Image;
use crate::ledger::Name;

/// No bundle just added, and not the log's clock, lies beyond `bound`. What a device writes itself may lie further ahead, by as much as
/// its clock was `set_forward`: it does not know that a correction is no longer right until it syncs, and nobody else sees it until then.
pub(crate) fn within(image: &Image, bundles: &[Name], bound: NTP64, set_forward: Duration) -> Result<(), Finding> {
    let own_bound = syncline::format::time::after(bound, set_forward);
    for (dot, _) in bundles {
        let bound = if image.identity == Some(dot.origin) { own_bound } else { bound };
        let time = image.entry(*dot).map_or(NTP64(0), |entry| entry.time);
        if time > bound {
            let ahead = syncline::format::time::ahead(time, bound).as_secs();
            let detail = format!("bundle {dot} was taken although its time lies {ahead} s beyond the bound");
            return Err(Finding { law: Law::ClocksStayBound, detail });
        }
    }
    if image.clock > own_bound {
        let ahead = syncline::format::time::ahead(image.clock, own_bound).as_secs();
        let detail = format!("the log's clock was dragged {ahead} s beyond the bound");
        return Err(Finding { law: Law::ClocksStayBound, detail });
    }
    Ok(())
}
