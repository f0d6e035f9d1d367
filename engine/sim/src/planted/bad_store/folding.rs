//! What can be wrong with how a store keeps checkpoints, and takes the place of a log by a snapshot.

use syncline::store::{RowWrite, WriteBatch};
use syncline::tools::{CHUNKS, CheckpointRow, IMPORT, OwnRow, checkpoint_row, is_pre_image};
use syncline::{Position, Seq};

use crate::planted::flaw::Flaw;

/// Spoils a batch, if this is one of these flaws.
pub(super) fn spoil(flaw: Flaw, batch: &mut WriteBatch) {
    match flaw {
        Flaw::LosesPreImages => batch.rows.retain(|row| !is_pre_image(&row.key.view)),
        Flaw::KeepsPreImages => batch.clear.retain(|view| !is_pre_image(view)),
        Flaw::CheckpointsTooEarly => batch.rows.iter_mut().for_each(checkpoint_too_early),
        Flaw::DropsBeside if batch.replace.is_some() => batch.runs.clear(),
        Flaw::KeepsOldRows if batch.replace.is_some() => batch.clear.clear(),
        Flaw::BeginsShort => batch.replace.iter_mut().for_each(|replacement| {
            let heads = std::mem::take(&mut replacement.heads);
            replacement.heads = heads.iter().filter(|(_, head)| head.seq > Seq::ZERO).skip(1).collect();
        }),
        Flaw::LosesLastRows if batch.rows.iter().any(|row| row.key.view.as_str() == IMPORT && row.value.is_none()) => {
            batch.rows.retain(|row| row.key.view.is_reserved());
        }
        Flaw::KeepsChunks => batch.rows.retain(|row| row.key.view.as_str() != CHUNKS || row.value.is_some()),
        _ => {}
    }
}

/// Changes the row of a checkpoint to one that lies one bundle earlier.
fn checkpoint_too_early(row: &mut RowWrite) {
    if let Ok(Some(OwnRow::Checkpoint(CheckpointRow { position }))) = OwnRow::read(row) {
        *row = checkpoint_row(&CheckpointRow { position: Position::new(position.get().saturating_sub(1)) });
    }
}

/// Forgets that a snapshot is being taken, and counts its views as folded up to where the log begins.
pub(super) fn take_half(batch: &mut WriteBatch) {
    batch.rows.retain(|row| row.key.view.as_str() != IMPORT);
    let Some(replacement) = &batch.replace else { return };
    let base = Position::new(replacement.heads.bundles().try_into().unwrap_or(u64::MAX));
    let views = batch.clear.iter().filter(|view| !view.is_reserved());
    batch.views.extend(views.map(|view| (view.clone(), base)).collect::<Vec<_>>());
}
