//! Every acknowledged bundle is everywhere in the end: under its own name, or under its new name if it was rewritten.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::finding::{Finding, Law};
use crate::ledger::Name;
use crate::world::World;

/// The acknowledged bundles, under whatever names, that their writer or the servers still have. (What only others have is not lost
/// either, unless its writer has gone back and gone on differently.)
pub(crate) fn held(world: &World) -> BTreeSet<Name> {
    let ledger = world.witness.ledger();
    let names: Vec<Name> = ledger.acknowledged().iter().flat_map(|one| ledger.homes(one.name)).collect();
    let mut held = BTreeSet::new();
    for disk in world.disks() {
        let serves = world.databases.iter().any(|database| Arc::ptr_eq(database, &disk));
        disk.with_image(|image| {
            let whose = |(dot, _): &Name| serves || image.identity.is_none_or(|id| id == dot.origin);
            held.extend(names.iter().copied().filter(|name| whose(name) && image.holds(*name)));
        });
    }
    held
}

/// Every acknowledged bundle is in every log, unless a fault had destroyed its last copy, or it was refused.
pub(crate) fn acknowledged(world: &World, held: &BTreeSet<Name>) -> Result<(), Finding> {
    let ledger = world.witness.ledger();
    for acknowledged in ledger.acknowledged() {
        let homes = ledger.homes(acknowledged.name);
        let destroyed = homes.iter().all(|name| ledger.is_excused(*name) && !held.contains(name));
        let refused = homes.iter().any(|name| ledger.refused().contains(&name.0) || ledger.is_given_up(*name));
        if destroyed || refused {
            continue;
        }
        let lacks =
            |disk: &Arc<crate::disk::Disk>| !disk.with_image(|image| homes.iter().any(|name| image.holds(*name)));
        if let Some(disk) = world.disks().into_iter().find(lacks) {
            let (dot, device) = (acknowledged.name.0, acknowledged.device);
            let known: Vec<String> = homes.iter().map(|(dot, _)| dot.to_string()).collect();
            let moved =
                if known.len() > 1 { format!(" under any of its names {}", known.join(", ")) } else { String::new() };
            let detail = format!(
                "bundle {dot} of device {device} was acknowledged and is not in the log of {}{moved}",
                disk.log.name
            );
            return Err(Finding { law: Law::AcknowledgedIsKept, detail });
        }
    }
    Ok(())
}
