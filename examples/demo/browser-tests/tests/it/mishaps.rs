//! What goes wrong in real life, and how it heals before a person's eyes.

use client_view::Field;
use client_view::client::Filter;
use demo::Comparison;
use demo::stage::{ANNS_LAPTOP, BOBS_LAPTOP};
use demo_browser_tests::{Scene, Tab};
use serde_json::json;
use thirtyfour::error::WebDriverResult;

use crate::device::{add, send};

pub(crate) async fn a_refusal_is_shown_edited_and_accepted(scene: Scene) -> WebDriverResult<()> {
    let (ann, bob) = (scene.device(ANNS_LAPTOP).await?, scene.device(BOBS_LAPTOP).await?);
    send(&ann, "CALL THE PLUMBER").await?;
    ann.see(".letter .why", "shouts").await?;
    // What comes after it does not wait for it.
    add(&ann, "Buy milk").await?;
    bob.see(".entry .title", "Buy milk").await?;
    assert!(!bob.shows(".entry .title", "PLUMBER").await?, "nobody else gets what was refused");

    ann.fill(".letter input", "Call the plumber").await?;
    ann.click(".letter button", "Send again").await?;
    ann.see_no(".letter", "").await?;
    for tab in [&ann, &bob] {
        tab.see(".entry .title", "Call the plumber").await?;
        tab.see("#top", "In sync with the server.").await?;
    }
    ann.see_no(".state.refused", "").await
}

pub(crate) async fn a_wrong_clock_is_shown_and_heals(scene: Scene) -> WebDriverResult<()> {
    let (ann, bob) = (scene.device(ANNS_LAPTOP).await?, scene.device(BOBS_LAPTOP).await?);
    add(&ann, "Written in time").await?;
    ann.unfold("#trials").await?;
    ann.click("#trials button", "2 days fast").await?;
    ann.see("#skew-now", "ahead of").await?;
    add(&ann, "Written two days later").await?;
    ann.unfold("#sync-details").await?;
    ann.see("#correction", "because the server's clock proves this one wrong").await?;
    bob.see(".entry .title", "Written two days later").await?;
    ann.click("#trials button", "Right").await?;
    ann.see("#skew-now", "as the machine's").await?;
    ann.click("#sync", "").await?;
    ann.see("#correction", "none").await
}

pub(crate) async fn a_clone_is_shown_and_heals(scene: Scene) -> WebDriverResult<()> {
    let ann = scene.device(ANNS_LAPTOP).await?;
    add(&ann, "Written before").await?;
    ann.see("#top", "In sync with the server.").await?;
    ann.click("#offline", "Go offline").await?;
    ann.unfold("#trials").await?;
    ann.click("#clone", "").await?;
    ann.see("#clones", "Ann's laptop (clone 1)").await?;
    let address = ann.run("return document.querySelector('#clones a').href", Vec::new()).await?;
    let clone = Tab::open(&scene.driver, address.as_str().unwrap()).await?;
    clone.see(".entry .title", "Written before").await?;
    add(&ann, "On the laptop").await?;
    add(&clone, "On the clone").await?;
    ann.click("#offline", "Go online").await?;
    ann.see("#top", "In sync with the server.").await?;
    clone.click("#offline", "Go online").await?;
    clone.unfold("#sync-details").await?;
    clone.see("#healed", "took a new identity").await?;
    for tab in [&ann, &clone] {
        tab.see(".entry .title", "On the laptop").await?;
        tab.see(".entry .title", "On the clone").await?;
        tab.see("#top", "In sync with the server.").await?;
    }
    Ok(())
}

pub(crate) async fn a_restored_copy_is_shown_and_heals(scene: Scene) -> WebDriverResult<()> {
    let ann = scene.device(ANNS_LAPTOP).await?;
    add(&ann, "Written before").await?;
    ann.unfold("#trials").await?;
    ann.click("#take-copy", "").await?;
    ann.see("#copies", "Copy 1").await?;
    add(&ann, "Written after").await?;
    ann.see("#top", "In sync with the server.").await?;
    ann.click("#offline", "Go offline").await?;
    ann.click("#copies button", "Restore copy 1").await?;
    ann.see_no(".entry .title", "Written after").await?;
    add(&ann, "Written after the restore").await?;
    ann.click("#offline", "Go online").await?;
    ann.see(".entry .title", "Written after").await?;
    ann.see(".entry .title", "Written after the restore").await?;
    ann.unfold("#sync-details").await?;
    ann.see("#healed", "took a new identity").await?;
    ann.see("#top", "In sync with the server.").await
}

pub(crate) async fn a_page_that_is_closed_while_it_saves_loses_nothing_that_was_shown_as_saved(
    scene: Scene,
) -> WebDriverResult<()> {
    let mut shown = Vec::new();
    for round in 0..5 {
        let ann = scene.device(ANNS_LAPTOP).await?;
        let saved = format!("Saved in round {round}");
        add(&ann, &saved).await?;
        shown.push(saved);
        // Sends one more, and is gone before any answer can be.
        let unseen = "const field = document.querySelector('#add-title'); field.value = arguments[0]; field.form.requestSubmit()";
        ann.run(unseen, vec![json!(format!("Cut off in round {round}"))]).await?;
        ann.close().await?;
    }
    let ann = scene.device(ANNS_LAPTOP).await?;
    for title in &shown {
        ann.see(".entry .title", title).await?;
    }
    // It is in the store's file, and not only in the program: what another program finds there has it.
    let found = scene.client(ANNS_LAPTOP).clone_device().await.unwrap();
    let found = found.entries(&Filter::default(), 50).await.unwrap().entries;
    for title in &shown {
        assert!(found.iter().any(|(_, entry)| entry.text(Field::Title) == title), "{title} is in the file");
    }
    Ok(())
}

pub(crate) async fn a_server_that_is_killed_and_comes_back_gets_everything(scene: Scene) -> WebDriverResult<()> {
    let (demo, ann) = (scene.demo().await?, scene.device(ANNS_LAPTOP).await?);
    add(&ann, "Written before").await?;
    ann.see("#top", "In sync with the server.").await?;
    demo.click("#server-switch", "Stop the server").await?;
    demo.see("#verdict", "The server is stopped.").await?;
    add(&ann, "Written while it is away").await?;
    ann.see(".state.waiting", "waits for the server").await?;
    ann.see("#top", "The server cannot be reached").await?;
    demo.click("#server-switch", "Start the server").await?;
    ann.see_no(".state.waiting", "").await?;
    ann.see("#top", "In sync with the server.").await?;
    demo.see("#verdict", "All four are equal").await?;
    assert!(Comparison::of(&scene.stage).await.unwrap().all_equal());
    Ok(())
}
