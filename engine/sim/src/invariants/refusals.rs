//! Nothing waits behind a refusal: what was refused is void everywhere and a dead letter at its writer, and everything else has
//! gone through. Once the dead letters are dealt with, everybody says that all is in sync, but for the events that it has put aside.

use syncline::replica::ReplicaStatus;

use super::aside;
use crate::executor::Spins;
use crate::finding::Law;
use crate::world::World;

/// Looks at every device's dead letters, deals with them, and asks for its status after one more round.
pub(crate) fn check(world: &mut World) -> Result<(), Spins> {
    let here: Vec<usize> = (0..world.places.len()).filter(|index| !world.places[*index].left).collect();
    for index in &here {
        letters(world, *index)?;
    }
    world.round()?;
    if world.sim.finding().is_some() {
        return Ok(());
    }
    let aside = match aside::count(world) {
        Ok(count) => count,
        Err(finding) => {
            world.sim.found(finding.law, finding.detail);
            return Ok(());
        }
    };
    for index in here {
        let device = world.places[index].device.clone();
        let Some(replica) = device.replica() else { continue };
        match world.drive(async move { replica.status().await })? {
            Some(Ok(status)) if (ReplicaStatus { unreadable: 0, ..status.clone() }).in_sync() => {
                if status.unreadable != aside {
                    let says = status.unreadable;
                    let detail =
                        format!("device {index} says that {says} events are unreadable, and its log has {aside}");
                    world.sim.found(Law::StatusIsTrue, detail);
                }
            }
            other => {
                let law = if device.disk.with_image(|image| image.voids.is_empty()) {
                    Law::StatusIsTrue
                } else {
                    Law::NothingWaitsBehindRefusals
                };
                world.sim.found(law, format!("device {index} is in sync and does not say so: {other:?}"));
            }
        }
    }
    Ok(())
}

fn letters(world: &mut World, index: usize) -> Result<(), Spins> {
    let device = world.places[index].device.clone();
    let Some(replica) = device.replica() else { return Ok(()) };
    let reader = replica.clone();
    let Some(Ok(letters)) = world.drive(async move { reader.dead_letters().await })? else { return Ok(()) };
    let refused = world.witness.ledger().refused().clone();
    if let Some(letter) = letters.iter().find(|letter| !refused.contains(&letter.dot)) {
        let detail = format!("device {index} holds bundle {} for refused, and nobody has refused it", letter.dot);
        world.sim.found(Law::NothingWaitsBehindRefusals, detail);
    }
    let Some(id) = device.disk.with_image(|image| image.identity) else { return Ok(()) };
    let whole = !world.witness.ledger().may_fork(id);
    for dot in refused.iter().filter(|dot| dot.origin == id && whole) {
        if !letters.iter().any(|letter| letter.dot == *dot) {
            let detail = format!("bundle {dot} was refused, and device {index} has no dead letter of it");
            world.sim.found(Law::NothingWaitsBehindRefusals, detail);
        }
    }
    for letter in letters {
        let replica = replica.clone();
        world.drive(async move { replica.forget_dead_letter(letter.dot).await })?;
    }
    Ok(())
}
