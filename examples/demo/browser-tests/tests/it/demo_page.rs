//! The page of the demo.

use client_view::{Field, Kind};
use demo::Comparison;
use demo::stage::{ANNS_LAPTOP, BOBS_LAPTOP};
use demo_browser_tests::Scene;
use thirtyfour::error::WebDriverResult;

pub(crate) async fn a_link_is_cut_and_healed_and_all_four_become_equal(scene: Scene) -> WebDriverResult<()> {
    let demo = scene.demo().await?;
    let (ann, bob) = (scene.client(ANNS_LAPTOP), scene.client(BOBS_LAPTOP));
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    demo.see("#verdict", "All four are equal").await?;
    demo.see("#messages-0", "push 1 bundle").await?;
    // The frames show the pages of the devices, and nobody else may show those.
    let frames = demo.within("#device-2 iframe").await?;
    frames.see(".entry .title", "Buy milk").await?;

    demo.click("#link-2-cut", "Cut").await?;
    demo.see("#link-2-cut[aria-pressed='true']", "").await?;
    ann.set(milk, Field::Title, "Buy oat milk", None).await.unwrap();
    bob.set(milk, Field::Title, "Buy two litres of milk", None).await.unwrap();
    demo.see("#verdict", "They differ.").await?;
    demo.see("#standings", "differs").await?;
    demo.see("#messages-2", "lost: the link is cut").await?;
    frames.see("#top", "The server cannot be reached: the link is cut").await?;

    demo.click("#link-2-whole", "Whole").await?;
    demo.see("#verdict", "All four are equal").await?;
    demo.see_no("#standings", "differs").await?;
    frames.see(".entry .title", "Buy two litres of milk").await?;
    frames.see(".entry .state", "conflict").await?;
    assert!(Comparison::of(&scene.stage).await.unwrap().all_equal());
    Ok(())
}
