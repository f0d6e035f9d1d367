//! The document's table is the program's.

use syncline_crash::report::{Outcome, put_table, table};
use syncline_crash::setting::{Crash, Setting};

#[test]
fn the_document_has_a_place_for_the_table() {
    let document = include_str!("../../../../engine/docs/durability.md");
    assert!(put_table(document, "").is_some());
}

#[test]
fn a_table_names_every_setting_that_was_crashed() {
    let all: Vec<_> = Setting::ALL.map(|setting| Outcome::new(setting, Crash::Cut, 1)).into();
    let table = table(&all);
    for setting in Setting::ALL {
        assert!(table.contains(setting.words()), "{setting}: {table}");
    }
}
