//! Takes the picture of the demo that stands in the README, from a real run: two people change one title while a link is cut.

use std::path::PathBuf;
use std::process::ExitCode;

use client_view::{Field, Kind};
use demo::stage::{ANNS_LAPTOP, BOBS_LAPTOP};
use demo::{Passage, samples};
use demo_browser_tests::{Chromium, Driver, Look, Scene};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program")]
async fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: picture FILE");
        return ExitCode::FAILURE;
    };
    match take(file.into()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("picture: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn take(file: PathBuf) -> Result<(), Failure> {
    let driver = Driver::start(Chromium::find_or_install()?)?;
    let browser = driver.browser().await?;
    let scene = Scene::set(browser.clone()).await?;
    let picture = browser.run_and_quit(async |_| {
        samples::add(&scene.stage).await?;
        let (ann, bob) = (scene.client(ANNS_LAPTOP), scene.client(BOBS_LAPTOP));
        let milk = ann.add(Kind::Task, "Buy milk for the weekend").await?;
        scene.until_equal().await?;
        let demo = scene.demo().await?;
        Look::Light.at(&demo).await?;
        demo.see("#verdict", "All four are equal").await?;
        scene.stage.seats[BOBS_LAPTOP].link.set(Passage::Cut);
        ann.set(milk, Field::Title, "Buy oat milk", None).await?;
        bob.set(milk, Field::Title, "Buy two litres of milk", None).await?;
        demo.see("#messages-2", "lost: the link is cut").await?;
        for (frame, title) in [(0, "Buy oat milk"), (1, "Buy oat milk"), (2, "Buy two litres of milk")] {
            let device = demo.within(&format!("#device-{frame} iframe")).await?;
            device.see(".entry .title", title).await?;
        }
        demo.within("#device-2 iframe").await?.see(".state.waiting", "").await?;
        demo.within("#device-0 iframe").await?.see("#top", "In sync with the server.").await?;
        Ok::<_, Failure>(Look::Light.picture(&demo, "readme").await?)
    });
    std::fs::copy(picture.await?, file)?;
    Ok(())
}
