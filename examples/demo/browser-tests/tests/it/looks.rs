//! What the pages look like, and whether everybody can use them.

use client_view::{EntryId, Field, Kind};
use demo::stage::{ANNS_LAPTOP, BOBS_LAPTOP};
use demo::{Passage, samples};
use demo_browser_tests::{Axe, Look, Scene, Tab, look};
use serde_json::Value;
use thirtyfour::error::WebDriverResult;

pub(crate) async fn pages_are_accessible_by_day_by_night_and_on_a_phone(
    scene: Scene,
    axe: &Axe,
) -> WebDriverResult<()> {
    let milk = everything_at_once(&scene).await?;
    let device = scene.show.devices().nth(ANNS_LAPTOP).unwrap();
    let pages = [
        ("demo", scene.show.address().to_owned()),
        ("client-view", device.to_owned()),
        ("client-view-entry", format!("{device}entry/{milk}")),
        ("client-view-log", format!("{device}log")),
        ("client-view-past", format!("{device}past")),
    ];
    let mut faults = Vec::new();
    for (name, address) in pages {
        let tab = Tab::open(&scene.driver, &address).await?;
        for look in Look::ALL {
            tab.run("for (const part of document.querySelectorAll('details')) part.open = true", Vec::new()).await?;
            let whole = format!("{name}-{}", look.name());
            look.picture(&tab, name).await?;
            let found = axe.check(&tab).await?;
            faults.extend(found.into_iter().map(|fault| format!("{whole}: {fault}")));
            let overflow = look::overflow(&tab).await?;
            faults.extend(overflow.iter().map(|one: &Value| format!("{whole}: sticks out to the right: {one}")));
        }
        tab.close().await?;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// A demo in which all that can be shown is there: a conflict, a refusal, a wrong clock, a clone, a copy, a link that is cut.
async fn everything_at_once(scene: &Scene) -> WebDriverResult<EntryId> {
    samples::add(&scene.stage).await.unwrap();
    let (ann, bob) = (scene.client(ANNS_LAPTOP), scene.client(BOBS_LAPTOP));
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let link = &scene.stage.seats[BOBS_LAPTOP].link;
    scene.until_equal().await.unwrap();
    link.set(Passage::Cut);
    ann.set(milk, Field::Title, "Buy oat milk", None).await.unwrap();
    bob.set(milk, Field::Title, "Buy two litres of milk", None).await.unwrap();
    link.set(Passage::Whole);
    let tab = scene.device(ANNS_LAPTOP).await?;
    tab.see(".entry .state", "conflict").await?;
    ann.add(Kind::Task, "CALL THE PLUMBER").await.unwrap();
    tab.see(".letter", "shouts").await?;
    ann.take_copy().await.unwrap();
    ann.clone_device().await.unwrap();
    ann.set_skew(7_200_000);
    link.set(Passage::Cut);
    bob.vote(milk, 1).await.unwrap();
    tab.close().await?;
    Ok(milk)
}
