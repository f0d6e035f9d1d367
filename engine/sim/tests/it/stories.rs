//! Stories of applications: rows by their `Debug`, events as their user tells them, from `Lab::run` and from proptest alike.

use std::collections::BTreeMap;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde::{Deserialize, Serialize};
use syncline::format::codec;
use syncline::projection::{Keys, Reads};
use syncline::{Event, EventRef, EventType, Projection, Unreadable, ViewId};
use syncline_sim::{Lab, Profile, Rng, Rows, histories, lab};

const ADDED: EventType = EventType::new("expense.added", 1);

/// What the application records.
#[derive(Debug, Serialize, Deserialize)]
struct Expense {
    group: u8,
    title: String,
    cents: i64,
}

/// One group's expenses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    total: i64,
    last: String,
    titles: BTreeMap<String, i64>,
}

/// The last expense to arrive is shown: wrong, since it depends on the order of arrival.
struct Groups;

impl Projection for Groups {
    type State = Group;

    fn view(&self) -> ViewId {
        ViewId::new("groups@1").unwrap()
    }

    fn reads(&self) -> Reads {
        Reads::types([ADDED])
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        if let Some(expense) = read(event) {
            keys.push_parts(&[b"group-", &[b'0' + expense.group]]);
        }
    }

    fn apply(&self, _: &[u8], row: &mut Group, event: &EventRef<'_>) -> Result<(), Unreadable> {
        let expense = read(event).ok_or_else(|| Unreadable::new("it is no expense"))?;
        row.total += expense.cents;
        *row.titles.entry(expense.title.clone()).or_default() += expense.cents;
        row.last = expense.title;
        Ok(())
    }
}

fn read(event: &EventRef<'_>) -> Option<Expense> {
    event.is(&ADDED).then(|| codec::decode("expense", event.payload).ok())?
}

fn add(rng: &mut Rng) -> Vec<Event> {
    let expense = Expense {
        group: rng.below(2) as u8,
        title: format!("a dinner for {} in Москва", rng.below(50)),
        cents: rng.below(9_999) as i64,
    };
    vec![Event::new(ADDED, codec::encode(&expense))]
}

fn expenses() -> Lab {
    let lab = lab(0..50).profile(Profile::Flaky).projection(Groups).writes(add);
    lab.tell(|event| read(event).map_or("no expense".into(), |expense| format!("{expense:?}")))
}

#[test]
fn rows_and_events_are_told_in_the_words_of_the_application() {
    let told = expenses().run().unwrap_err().to_string();
    for part in [r#"row "group-"#, "has Group { total: ", "writes Expense { group: ", "in Москва\", cents: "] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(!told.contains("0x "), "{told}");
}

#[test]
fn without_a_hook_text_is_told_as_text_and_whole() {
    let json = |rng: &mut Rng| {
        let text = format!(r#"{{"group":0,"title":"{}, {}"}}"#, "买东西".repeat(10), rng.below(50));
        vec![Event::new(EventType::new("note.taken", 1), text)]
    };
    let lab = lab(0..1).steps(30).writes(json);
    let story = lab.outcome(&syncline_sim::Case::new(Profile::Calm, 1, 30), true).story;
    let told = story.iter().find(|line| line.text.contains("writes note.taken@1")).unwrap();
    assert!(told.text.contains(r#"`{"group":0,"title":"买东西"#) && told.text.ends_with("\"}`"), "{told}");
}

#[test]
fn proptest_tells_the_story_of_the_smallest_plan() {
    let lab = expenses();
    let config = Config { cases: 50, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&histories(Profile::Flaky, 60), |plan| {
        lab.check(&plan)?;
        Ok::<_, TestCaseError>(())
    });
    let error = result.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("this law is broken: ") && told.contains("depends on the order of arrival"), "{told}");
    assert!(told.contains("writes Expense { group: ") && told.contains("SYNCLINE_LAB=flaky:"), "{told}");
    assert!(told.lines().count() < 60, "{told}");
    let TestError::Fail(_, plan) = error else { panic!("it fails") };
    let named = format!("{plan:?}");
    assert!(named.starts_with("flaky:") && named.lines().count() == 1 + plan.steps.len(), "{named}");
}

#[test]
fn whoever_writes_sees_the_rows_of_the_device() {
    let correct = |rng: &mut Rng, rows: &Rows| {
        let all = rows.all(&Groups);
        let own = rows.get(&Groups, b"group-0");
        assert_eq!(
            all.iter().find(|(key, _)| key == "group-0").map(|(_, group)| group.total),
            own.map(|row| row.total)
        );
        assert!(rows.device() < 8 && rows.is_upgraded());
        // Nobody spends more than so much at a time, as far as they know.
        let expense = Expense { group: 0, title: "rent".into(), cents: all.len() as i64 };
        let cents: i64 = all.iter().map(|(_, group)| group.total).sum();
        if cents > 3 && rng.chance(500) {
            return vec![Event::new(ADDED, codec::encode(&Expense { cents: -1, ..expense }))];
        }
        vec![Event::new(ADDED, codec::encode(&Expense { cents: 1, ..expense }))]
    };
    let lab = lab(0..10).profile(Profile::Mixed).projection(Groups).writes_with_rows(correct);
    lab.tell(|event| format!("{:?}", read(event))).run().unwrap();
}
