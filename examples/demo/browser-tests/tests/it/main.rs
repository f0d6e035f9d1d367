//! What a person does in a browser, in the demo and on the pages of its devices.
//!
//! Without a browser they are ignored, and one line says why. `SYNCLINE_BROWSER=required` makes that a failure.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use demo_browser_tests::{Axe, Chromium, Driver, Scene};
use libtest_mimic::{Arguments, Failed, Trial};
use thirtyfour::error::WebDriverResult;

mod demo_page;
mod device;
mod looks;
mod mishaps;

/// Each test has a browser of several processes, so that few at once are quicker than many.
const AT_ONCE: usize = 2;

/// What all tests share.
struct Run {
    driver: Driver,
    /// The accessibility checker, or why there is none.
    axe: Result<Axe, String>,
}

impl Run {
    fn begin() -> Result<Self, String> {
        let chromium = Chromium::find_or_install().map_err(|error| error.to_string())?;
        let driver = Driver::start(chromium).map_err(|error| format!("the driver does not start: {error}"))?;
        let axe = Axe::fetch().map_err(|error| format!("the accessibility checker cannot be had: {error}"));
        Ok(Self { driver, axe })
    }

    /// Does a test in a browser of its own.
    fn go<F>(&self, test: impl FnOnce(Scene) -> F) -> Result<(), Failed>
    where
        F: Future<Output = WebDriverResult<()>>,
    {
        tokio::runtime::Runtime::new()?.block_on(async {
            let browser = self.driver.browser().await?;
            let scene = Scene::set(browser.clone()).await?;
            Ok(browser.run_and_quit(|_| test(scene)).await?)
        })
    }
}

/// A table of tests, by the modules and names of their functions.
macro_rules! trials {
    ($run:expr; $($module:ident { $($test:ident)+ })+) => { vec![$($(
        Trial::test(stringify!($test), {
            let run: Arc<Result<Run, String>> = $run.clone();
            move || run.as_ref().as_ref()?.go($module::$test)
        }),
    )+)+] };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    // Who only asks for the list needs no browser.
    let run = Arc::new(if arguments.list { Err("they were only listed".to_owned()) } else { Run::begin() });
    let no_browser = run.as_ref().as_ref().err();
    let no_axe = no_browser.or_else(|| run.as_ref().as_ref().ok()?.axe.as_ref().err());
    if let (Some(missing), false) = (no_axe, arguments.list) {
        // Nobody may be there to read it.
        let _ = writeln!(std::io::stderr(), "Some tests in the browser did not run: {missing}.");
        if std::env::var_os("SYNCLINE_BROWSER").is_some_and(|wanted| wanted == "required") {
            return ExitCode::FAILURE;
        }
    }
    let acts = trials! { run;
        device {
            two_pages_edit_the_same_task_offline_and_converge
            two_tabs_of_one_device_show_the_same
            a_tab_that_slept_shows_what_is_so_now
            everything_can_be_done_by_keyboard
            what_people_write_is_shown_as_they_wrote_it
        }
        mishaps {
            a_refusal_is_shown_edited_and_accepted
            a_wrong_clock_is_shown_and_heals
            a_clone_is_shown_and_heals
            a_restored_copy_is_shown_and_heals
            a_page_that_is_closed_while_it_saves_loses_nothing_that_was_shown_as_saved
            a_server_that_is_killed_and_comes_back_gets_everything
        }
        demo_page {
            a_link_is_cut_and_healed_and_all_four_become_equal
        }
    };
    let looks = Trial::test("pages_are_accessible_by_day_by_night_and_on_a_phone", {
        let run = run.clone();
        move || {
            let run = run.as_ref().as_ref()?;
            let axe = run.axe.as_ref()?;
            run.go(|scene| looks::pages_are_accessible_by_day_by_night_and_on_a_phone(scene, axe))
        }
    });
    let ignored = |missing: Option<&String>| missing.is_some() && !arguments.list;
    let mut trials: Vec<_> = acts.into_iter().map(|trial| trial.with_ignored_flag(ignored(no_browser))).collect();
    trials.push(looks.with_ignored_flag(ignored(no_axe)));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The driver ends with the last one who has it.
    drop(run);
    conclusion.exit_code()
}
