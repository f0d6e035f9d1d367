//! The page of one device, and of two.

use client_view::Kind;
use demo::stage::{ANNS_LAPTOP, BOBS_LAPTOP};
use demo_browser_tests::{Look, Scene, Tab, look};
use serde_json::json;
use thirtyfour::Key;
use thirtyfour::error::WebDriverResult;

/// Adds a task on a device's first page, as a person does.
pub(crate) async fn add(tab: &Tab, title: &str) -> WebDriverResult<()> {
    send(tab, title).await?;
    tab.see(".entry .title", title).await
}

/// Sends the form that adds a task, and sees that it is saved on the device.
pub(crate) async fn send(tab: &Tab, title: &str) -> WebDriverResult<()> {
    tab.fill("#add-title", title).await?;
    tab.click(".add button", "Add").await?;
    tab.see("#notice", "Added.").await
}

pub(crate) async fn two_pages_edit_the_same_task_offline_and_converge(scene: Scene) -> WebDriverResult<()> {
    let (ann, bob) = (scene.device(ANNS_LAPTOP).await?, scene.device(BOBS_LAPTOP).await?);
    add(&ann, "Buy milk").await?;
    bob.see(".entry .title", "Buy milk").await?;
    for (tab, title) in [(&ann, "Buy oat milk"), (&bob, "Buy two litres of milk")] {
        tab.click("#offline", "Go offline").await?;
        tab.see("#offline", "Go online").await?;
        tab.click(".entry .title", "Buy milk").await?;
        tab.fill("#field-title", title).await?;
        tab.click(".field button", "Save").await?;
        tab.see("#notice", "Saved on this device.").await?;
        tab.see("#entry-head", title).await?;
    }
    for tab in [&ann, &bob] {
        tab.click("#offline", "Go online").await?;
    }
    for tab in [&ann, &bob] {
        tab.see("#top", "In sync with the server.").await?;
        // Bob saved later.
        tab.see("#entry-head", "Buy two litres of milk").await?;
        tab.see(".rivals", "Buy oat milk").await?;
    }
    // Somebody who has seen both settles it, for everybody.
    ann.click(".rivals button", "Take Buy oat milk").await?;
    for tab in [&ann, &bob] {
        tab.see("#entry-head", "Buy oat milk").await?;
        tab.see_no(".rivals", "").await?;
    }
    Ok(())
}

pub(crate) async fn two_tabs_of_one_device_show_the_same(scene: Scene) -> WebDriverResult<()> {
    let (one, other) = (scene.device(ANNS_LAPTOP).await?, scene.device(ANNS_LAPTOP).await?);
    add(&one, "Buy milk").await?;
    other.see(".entry .title", "Buy milk").await?;
    // What is half typed in one tab stays while the other saves.
    one.fill("#add-title", "Half typed").await?;
    other.click(".entry button", "+1 for Buy milk").await?;
    for tab in [&one, &other] {
        tab.see(".entry .facts", "1 vote").await?;
    }
    let typed = one.run("return document.querySelector('#add-title').value", Vec::new()).await?;
    assert_eq!(typed, json!("Half typed"));
    Ok(())
}

pub(crate) async fn a_tab_that_slept_shows_what_is_so_now(scene: Scene) -> WebDriverResult<()> {
    let tab = scene.device(ANNS_LAPTOP).await?;
    add(&tab, "Buy milk").await?;
    let sleep =
        async |state| tab.front().await?.cdp().send_raw("Page.setWebLifecycleState", json!({ "state": state })).await;
    sleep("frozen").await?;
    scene.client(ANNS_LAPTOP).add(Kind::Task, "Added while it slept").await.unwrap();
    sleep("active").await?;
    tab.see(".entry .title", "Added while it slept").await
}

pub(crate) async fn everything_can_be_done_by_keyboard(scene: Scene) -> WebDriverResult<()> {
    let tab = scene.device(ANNS_LAPTOP).await?;
    tab.tab_to("a", "Skip to the content").await?;
    tab.press(Key::Enter).await?;
    tab.tab_to("#add-title", "").await?;
    tab.press("Buy milk" + Key::Enter).await?;
    tab.see(".entry .title", "Buy milk").await?;
    tab.tab_to(".entry button", "+1 for Buy milk").await?;
    focus_is_visible(&tab).await?;
    tab.press(Key::Enter).await?;
    tab.see(".entry .facts", "1 vote").await?;
    // The focus is still there after the page has changed.
    tab.press(Key::Enter).await?;
    tab.see(".entry .facts", "2 votes").await?;

    tab.tab_to("summary", "Make something go wrong").await?;
    tab.press(Key::Enter).await?;
    tab.tab_to("#refusal", "").await?;
    tab.press(Key::Enter).await?;
    tab.see(".letter", "shouts").await?;
    tab.tab_to(".letter input", "").await?;
    tab.press("Buy more milk" + Key::Enter).await?;
    tab.see_no(".letter", "").await?;

    let demo = scene.demo().await?;
    demo.tab_to("#link-0-cut", "Cut").await?;
    focus_is_visible(&demo).await?;
    demo.press(Key::Enter).await?;
    demo.see("#link-0-cut[aria-pressed='true']", "").await
}

async fn focus_is_visible(tab: &Tab) -> WebDriverResult<()> {
    let outline = tab.run("return getComputedStyle(document.activeElement).outlineStyle", Vec::new()).await?;
    assert_eq!(outline, json!("solid"), "what has the focus is outlined");
    Ok(())
}

pub(crate) async fn what_people_write_is_shown_as_they_wrote_it(scene: Scene) -> WebDriverResult<()> {
    let client = scene.client(ANNS_LAPTOP);
    let long = "abcdefghij".repeat(10_000);
    let written = [
        "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title = 'hacked'\">",
        "قائمة التسوق: حليب",
        "🥛👩‍👩‍👧‍👦 milk for the family",
        &long,
    ];
    for title in written {
        client.add(Kind::Task, title).await.unwrap();
    }
    let tab = scene.device(ANNS_LAPTOP).await?;
    for title in written {
        let start: String = title.chars().take(30).collect();
        tab.see(".entry .title", &start).await?;
    }
    assert_eq!(tab.run("return document.title.includes('hacked')", Vec::new()).await?, json!(false));
    Look::Phone.at(&tab).await?;
    assert_eq!(look::overflow(&tab).await?, Vec::<serde_json::Value>::new());
    Look::Phone.picture(&tab, "client-view-titles").await?;
    tab.click(".entry .title", "abcdefghij").await?;
    tab.see("#entry-head", "100000 characters").await?;
    let typed = tab.run("return document.querySelector('#field-title').value.length", Vec::new()).await?;
    assert_eq!(typed, json!(100_000), "the whole text can be edited");
    Ok(())
}
