//! When a run is as it must be, and when it is not.

use syncline::{Dot, Seq};
use syncline_crash::check::{Finding, Report};
use syncline_crash::report::{Outcome, Verdict, objections};
use syncline_crash::script::Script;
use syncline_crash::setting::{Crash, Setting};

fn outcome(setting: &str, crash: Crash, lost: u64) -> Outcome {
    let mut outcome = Outcome::new(setting.parse().unwrap(), crash, 1);
    outcome.crashes = 10;
    let last = Dot { origin: Script::new(1).origin(0, 0), seq: Seq::ZERO };
    let findings = if lost > 0 { vec![Finding::Lost { last, acknowledged: Seq::new(lost) }] } else { vec![] };
    outcome.looked(&Report { lost, findings, ..Report::default() });
    outcome
}

#[test]
fn a_lost_bundle_breaks_the_promise_of_a_synced_store() {
    for setting in Setting::ALL.into_iter().filter(|setting| setting.is_durable_store()) {
        for crash in [Crash::Kill, Crash::Cut] {
            assert_eq!(outcome(&setting.to_string(), crash, 1).verdict(), Verdict::Broken, "{setting}");
            assert_eq!(outcome(&setting.to_string(), crash, 0).verdict(), Verdict::AsPromised, "{setting}");
        }
    }
}

#[test]
fn a_control_that_loses_nothing_makes_the_run_void() {
    for control in ["sqlite-process", "redb-unsynced", "sled-process", "postgres-process", "file-process"] {
        assert_eq!(outcome(control, Crash::Cut, 0).verdict(), Verdict::Void, "{control}");
        assert_eq!(outcome(control, Crash::Cut, 1).verdict(), Verdict::AsPromised, "{control}");
        assert_eq!(objections(&[outcome(control, Crash::Cut, 0)]).len(), 1);
    }
}

#[test]
fn cuts_without_a_control_show_nothing() {
    assert_eq!(objections(&[outcome("redb-synced", Crash::Cut, 0)]).len(), 1);
    assert_eq!(objections(&[outcome("redb-synced", Crash::Kill, 0)]), Vec::<String>::new());
    let both = [outcome("redb-synced", Crash::Cut, 0), outcome("file-process", Crash::Cut, 5)];
    assert_eq!(objections(&both), Vec::<String>::new());
}

#[test]
fn a_kill_may_not_cost_a_process_setting_anything_but_where_the_server_is_killed_too() {
    assert_eq!(outcome("sqlite-process", Crash::Kill, 1).verdict(), Verdict::Broken);
    assert_eq!(outcome("postgres-process", Crash::Kill, 1).verdict(), Verdict::AsPromised);
}

#[test]
fn a_store_that_does_not_open_breaks_every_promise() {
    let mut outcome = outcome("redb-synced", Crash::Kill, 0);
    outcome.unopenable = 1;
    assert_eq!(outcome.verdict(), Verdict::Broken);
}

#[test]
fn a_long_series_without_rows_trims_or_replaced_logs_puts_nothing_to_the_test() {
    let mut outcome = outcome("redb-synced", Crash::Kill, 0);
    outcome.looks = 60;
    let void = [[9, 9, 0], [9, 0, 9], [0, 9, 9]].map(|found| (found, Verdict::Void));
    for (found, verdict) in void.into_iter().chain([([9, 9, 9], Verdict::AsPromised)]) {
        [outcome.folded, outcome.trimmed, outcome.replaced] = found;
        assert_eq!(outcome.verdict(), verdict, "{found:?}");
    }
}
