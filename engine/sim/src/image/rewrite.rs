//! A tail is rewritten in its places, bundle for bundle, and only if nobody else has it.

use syncline::format::ChainHash;
use syncline::store::Rewrite;
use syncline::{Dot, Seq};

use super::Image;
use crate::finding::{Finding, Law};
use crate::ledger::Name;

/// Does what a rewrite must do. Returns the old bundles with what each has become, and whether they have got other times and another
/// identity.
pub(super) fn apply(image: &mut Image, rewrite: &Rewrite) -> Result<(Vec<(Name, Name)>, bool), Finding> {
    let broken = |detail: String| Finding { law: Law::Contiguous, detail };
    let after = rewrite.after.seq;
    let is_old = |dot: &Dot| dot.origin == rewrite.origin && dot.seq > after;
    let mut places: Vec<usize> = (0..image.positions.len()).filter(|place| is_old(&image.positions[*place])).collect();
    let mut old: Vec<Name> = places.iter().map(|place| image.name_at(*place)).collect();
    old.sort_by_key(|(dot, _)| dot.seq);
    let times = |image: &Image, names: &[Name]| -> Vec<_> {
        names.iter().map(|(dot, _)| image.entry(*dot).map(|entry| entry.time)).collect()
    };
    let times_before = times(image, &old);
    let kept = image.entry(Dot { origin: rewrite.origin, seq: after }).map_or(ChainHash::GENESIS, |entry| entry.chain);
    if kept != rewrite.after.chain {
        return Err(broken(format!("a rewrite starts behind bundle {after}, with another chain hash than the log's")));
    }
    if let Some(entries) = image.origins.get_mut(&rewrite.origin) {
        entries.truncate(after.get() as usize);
    }
    if after == Seq::ZERO {
        image.origins.remove(&rewrite.origin);
    }
    image.voids.retain(|dot| !is_old(dot));
    let mut new = Vec::new();
    for (position, verified) in &rewrite.runs {
        let place = position.get() as usize - 1;
        let count = verified.run().count() as usize;
        places.retain(|old| !(place..place + count).contains(old));
        new.extend(image.append(place, verified)?);
    }
    if old.len() != new.len() || !places.is_empty() {
        return Err(broken(format!(
            "a tail of {} bundles was rewritten as {}, or in other places",
            old.len(),
            new.len()
        )));
    }
    let moves = new.first().is_some_and(|(dot, _)| dot.origin != rewrite.origin);
    let in_doubt = moves && times(image, &new) != times_before;
    Ok((old.into_iter().zip(new).collect(), in_doubt))
}
