//! A bundle is there once: if it was rewritten, it is not also there under its old name.

use std::sync::Arc;

use crate::disk::Disk;
use crate::fault::Fault;
use crate::finding::{Finding, Law};
use crate::ledger::Name;
use crate::world::World;

/// No log holds a bundle both as it was and as what it has become. (A clone does not know what its twin has done with the tail that
/// both began with. What may have been sent and gets another time moves under another name: anyone who has it keeps it, and the report of
/// the sync says so. And if a server has forgotten what it had stored, or a device that it moved its tail, nobody knows who else has
/// it: there, twice is what was written. And if a server has trimmed what a device wrote before it went back to a backup, then nothing
/// proves that it is the same, and the device keeps it under another name.)
pub(crate) fn written(world: &World) -> Result<(), Finding> {
    let Some(disk) = world.disks().into_iter().next() else { return Ok(()) };
    let forgot = [Fault::ServerRestored, Fault::ServerRewound, Fault::SuffixLost];
    if forgot.into_iter().any(|fault| world.sim.state().tally.get(fault) > 0) {
        return Ok(());
    }
    let ledger = world.witness.ledger();
    let both = |(old, new): &(Name, Name)| {
        let is_trimmed = |server: &Arc<Disk>| server.with_image(|image| image.has_trimmed(*old));
        let unproven = ledger.may_fork(old.0.origin) && world.databases.iter().any(is_trimmed);
        let excused = ledger.is_cloned(old.0.origin) || ledger.moved_in_doubt(*old) || unproven;
        !excused && disk.with_image(|image| image.holds(*old) && image.holds(*new))
    };
    match ledger.rehomed().find(both) {
        None => Ok(()),
        Some((old, new)) => {
            let detail = format!("bundle {} was rewritten as {}, and both are in the logs", old.0, new.0);
            Err(Finding { law: Law::NothingTwice, detail })
        }
    }
}
