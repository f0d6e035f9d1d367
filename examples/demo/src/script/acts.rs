//! What happens in the scenario, act by act.

use std::time::Duration;

use client_view::{EntryId, Field, Kind, Mode};
use tokio::time::timeout;

use super::Scene;
use crate::stage::{ANNS_LAPTOP, ANNS_PHONE, BOBS_LAPTOP};
use crate::{Comparison, DemoError, Passage};

/// Two days, in milliseconds.
const TWO_DAYS: i64 = 2 * 24 * 3_600_000;
/// How long live devices have at most to become equal, however busy the machine is.
const LIVE_PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<(), DemoError> {
    let milk = together(scene).await?;
    conflict(scene, milk).await?;
    refusal(scene).await?;
    wrong_clock(scene, milk).await?;
    cloned(scene, milk).await?;
    restored(scene, milk).await?;
    server_away(scene, milk).await?;
    live(scene, milk).await
}

async fn together(scene: &mut Scene<'_>) -> Result<EntryId, DemoError> {
    scene.act("1. Everybody adds something, and syncs.");
    let mut first = None;
    let added = [
        (ANNS_LAPTOP, Kind::Task, "Buy milk"),
        (ANNS_PHONE, Kind::Document, "Recipe for lentil soup"),
        (BOBS_LAPTOP, Kind::Task, "Paint the fence"),
    ];
    for (device, kind, title) in added {
        let client = scene.client(device);
        let entry = client.add(kind, title).await?;
        scene.wrote(client, entry, title);
        first.get_or_insert(entry);
    }
    scene.settle().await?;
    Ok(first.expect("there are three"))
}

async fn conflict(scene: &mut Scene<'_>, milk: EntryId) -> Result<(), DemoError> {
    scene.act("2. Bob's link is cut. Ann and Bob change the title of one task, tag it and vote for it.");
    scene.set_link(BOBS_LAPTOP, Passage::Cut);
    let edits = [(ANNS_LAPTOP, "Buy oat milk", "shopping"), (BOBS_LAPTOP, "Buy two litres of milk", "today")];
    for (device, title, tag) in edits {
        let client = scene.client(device);
        client.set(milk, Field::Title, title, None).await?;
        scene.wrote(client, milk, title);
        client.tag(milk, tag).await?;
        scene.wrote(client, milk, tag);
        client.vote(milk, 1).await?;
        scene.ledger.voted(milk, 1);
    }
    for device in [ANNS_LAPTOP, BOBS_LAPTOP] {
        // That Bob's does not get through is the point.
        let _ = scene.sync(scene.client(device)).await;
    }
    scene.compare(false).await?;

    scene.set_link(BOBS_LAPTOP, Passage::Whole);
    scene.settle().await?;
    let entry = scene.client(ANNS_PHONE).entry(milk).await?;
    let rivals: Vec<_> = entry.rivals(Field::Title).map(|(_, text)| format!("\"{text}\"")).collect();
    scene.say(format!("  Ann's phone shows \"{}\"; it lost: {}.", entry.text(Field::Title), rivals.join(", ")));
    scene.expect(rivals.len() == 1, "the title that lost is kept beside the one that won");
    scene.expect(entry.tags().count() == 2 && entry.votes() == 2, "both tags and both votes count");
    Ok(())
}

async fn refusal(scene: &mut Scene<'_>) -> Result<(), DemoError> {
    scene.act("3. Ann's phone writes a title that the server refuses, and another one after it.");
    let phone = scene.client(ANNS_PHONE);
    let plumber = phone.add(Kind::Task, "CALL THE PLUMBER").await?;
    let books = phone.add(Kind::Task, "Return the books").await?;
    scene.wrote(phone, books, "Return the books");
    // What was refused shows in the letters.
    let _ = scene.sync(phone).await;
    let letters = phone.dead_letters().await?;
    scene.expect(letters.len() == 1, "one change is refused and kept, and nothing waits behind it");
    for letter in letters {
        phone.rewrite_letter(letter.dot, "Call the plumber").await?;
        scene.say("  It is written again in small letters.");
        scene.wrote(phone, plumber, "Call the plumber");
    }
    scene.settle().await
}

async fn wrong_clock(scene: &mut Scene<'_>, milk: EntryId) -> Result<(), DemoError> {
    scene.act("4. The clock of Bob's laptop is two days ahead while he writes.");
    let bob = scene.client(BOBS_LAPTOP);
    bob.set_skew(TWO_DAYS);
    bob.set(milk, Field::Note, "From the corner shop", None).await?;
    scene.wrote(bob, milk, "From the corner shop");
    let corrected = scene.sync(bob).await.is_ok_and(|report| report.clock_corrected_ms.is_some());
    scene.expect(corrected, "the wrong clock is noticed and corrected, so that nobody waits two days for his change");
    scene.settle().await?;
    bob.set_skew(0);
    Ok(())
}

async fn cloned(scene: &mut Scene<'_>, milk: EntryId) -> Result<(), DemoError> {
    scene.act("5. The disk of Ann's laptop is copied to a second machine. Both write under one identity.");
    let laptop = scene.client(ANNS_LAPTOP);
    let clone = laptop.clone_device().await?;
    for (client, tag) in [(laptop, "written-on-the-laptop"), (&clone, "written-on-the-clone")] {
        client.tag(milk, tag).await?;
        scene.wrote(client, milk, tag);
        // It may fork here: what comes of it shows below.
        let _ = scene.sync(client).await;
    }
    scene.clones.push(clone.clone());
    scene.settle().await?;
    let (laptop, clone) = (laptop.status().await?.replica, clone.status().await?.replica);
    scene.expect(laptop != clone, "the clone has taken an identity of its own");
    Ok(())
}

async fn restored(scene: &mut Scene<'_>, milk: EntryId) -> Result<(), DemoError> {
    scene.act("6. Ann's phone is restored from an old copy, and writes before it syncs.");
    let phone = scene.client(ANNS_PHONE);
    let copy = phone.take_copy().await?;
    phone.tag(milk, "after-the-copy").await?;
    scene.wrote(phone, milk, "after-the-copy");
    let _ = scene.sync(phone).await;
    phone.restore(&copy.name).await?;
    let forgotten = !phone.entry(milk).await?.tags().any(|tag| tag == "after-the-copy");
    scene.expect(forgotten, "the restored phone has forgotten what it wrote after the copy");
    phone.tag(milk, "after-the-restore").await?;
    scene.wrote(phone, milk, "after-the-restore");
    scene.settle().await
}

async fn server_away(scene: &mut Scene<'_>, milk: EntryId) -> Result<(), DemoError> {
    scene.act("7. The server is stopped. Everybody goes on writing.");
    scene.stage.server.stop().await;
    for device in [ANNS_LAPTOP, ANNS_PHONE, BOBS_LAPTOP] {
        let client = scene.client(device);
        client.vote(milk, 1).await?;
        scene.ledger.voted(milk, 1);
        let reached = scene.sync(client).await.is_ok();
        scene.expect(!reached, "the vote is saved on the device, and the server is known to be away");
    }
    scene.stage.server.start_again().await?;
    scene.say("  The server is started again.");
    scene.settle().await
}

async fn live(scene: &mut Scene<'_>, milk: EntryId) -> Result<(), DemoError> {
    scene.act("8. All devices sync live. Nobody asks for a sync any more.");
    for seat in &scene.stage.seats {
        seat.client.set_mode(Mode::Live);
    }
    let bob = scene.client(BOBS_LAPTOP);
    bob.set_done(milk, true).await?;
    scene.say("  Bob's laptop says that the task is done.");
    let phone = scene.client(ANNS_PHONE);
    let mut changes = scene.stage.changes();
    let arrived = timeout(LIVE_PATIENCE, async {
        loop {
            changes.borrow_and_update();
            if phone.entry(milk).await?.is_done() && Comparison::of(scene.stage).await?.all_equal() {
                return Ok::<_, DemoError>(());
            }
            // The stage lives as long as the scene.
            let _ = changes.changed().await;
        }
    });
    let arrived = arrived.await.map_or(Ok(false), |arrived| arrived.map(|()| true))?;
    scene.expect(arrived, "it shows on Ann's phone by itself, and all four are equal");
    for seat in &scene.stage.seats {
        seat.client.set_mode(Mode::OnDemand);
    }
    scene.compare(true).await
}
