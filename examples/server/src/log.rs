//! A space's events, one JSON object per line.

use syncline::format::run::Bundle;
use syncline::store::Limit;
use syncline::{Cursor, Position, SpaceId};

use crate::failure::Failure;
use crate::output::Output;
use crate::spaces;
use crate::stack::Stack;

mod line;

/// Bytes that are read at once.
const PAGE_BYTES: u32 = 1024 * 1024;

/// `log`.
pub(crate) async fn run(
    space: &SpaceId,
    after: Position,
    limit: Option<u64>,
    stack: &Stack,
    out: &mut Output,
) -> Result<(), Failure> {
    let Some(store) = spaces::find(space, stack).await?.open(stack).await? else { return Ok(()) };
    let status = store.status().await?;
    if after < status.base {
        out.note(format!("the bundles up to position {} are trimmed", status.base)).await?;
    }
    let mut cursor = Cursor { log: status.log, position: after.max(status.base) };
    let mut left = limit.unwrap_or(u64::MAX).min(status.head.since(cursor.position));
    while left > 0 {
        let items = u32::try_from(left).unwrap_or(u32::MAX);
        let page = store.read(cursor, Limit { items, bytes: PAGE_BYTES }).await?;
        for stored in &page.runs {
            for (position, bundle) in (stored.position.get()..).zip(stored.run.bundles()) {
                print(Position::new(position), &bundle, out).await?;
            }
        }
        left = left.saturating_sub(page.next.position.since(cursor.position));
        if page.is_last() {
            break;
        }
        cursor = page.next;
    }
    Ok(())
}

async fn print(position: Position, bundle: &Bundle<'_>, out: &mut Output) -> Result<(), Failure> {
    if bundle.is_void() {
        return Ok(out.line(line::void(position, bundle)).await?);
    }
    for event in bundle.events() {
        out.line(line::event(position, bundle, event)).await?;
    }
    Ok(())
}
