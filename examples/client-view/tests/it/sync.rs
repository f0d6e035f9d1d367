//! Devices that part, disagree, and meet again.

use client_view::client::Filter;
use client_view::{Field, Kind, Mode};

use crate::world::{World, assert_equal, sync};

#[tokio::test]
async fn what_was_written_offline_on_two_devices_converges_and_names_the_value_that_lost() {
    let world = World::new().await;
    let (ann, bob) = (world.device("ann", "laptop").await, world.device("bob", "phone").await);
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    sync(&[&ann, &bob]).await;
    ann.set(milk, Field::Title, "Buy oat milk", None).await.unwrap();
    bob.set(milk, Field::Title, "Buy two litres", None).await.unwrap();
    for (device, tag) in [(&ann, "shop"), (&bob, "today")] {
        device.tag(milk, tag).await.unwrap();
        device.vote(milk, 1).await.unwrap();
    }
    sync(&[&ann, &bob]).await;
    assert_equal(&[&ann, &bob]).await;
    let entry = ann.entry(milk).await.unwrap();
    assert_eq!((entry.votes(), entry.tags().collect::<Vec<_>>()), (2, vec!["shop", "today"]), "nobody's is lost");
    assert_eq!(entry.text(Field::Title), "Buy two litres");
    assert_eq!(entry.rivals(Field::Title).map(|(_, text)| text).collect::<Vec<_>>(), ["Buy oat milk"]);
    let lost = bob.conflicts(9).await.unwrap();
    assert_eq!((lost.len(), lost[0].loser.1.change.text(), lost[0].settled), (1, Some("Buy oat milk"), false));

    bob.set(milk, Field::Title, "Buy two litres of oat milk", None).await.unwrap();
    sync(&[&bob, &ann]).await;
    assert!(!ann.entry(milk).await.unwrap().is_contested());
    assert!(ann.conflicts(9).await.unwrap()[0].settled, "it is settled, and still to be seen");
}

#[tokio::test]
async fn a_refused_change_is_told_with_the_reason_and_is_taken_once_it_is_edited() {
    let world = World::new().await;
    let (ann, bob) = (world.device("ann", "laptop").await, world.device("bob", "phone").await);
    let entry = ann.add(Kind::Task, "BUY MORE MILK").await.unwrap();
    let behind = ann.add(Kind::Task, "Call Bob").await.unwrap();
    sync(&[&ann, &bob]).await;
    let letters = ann.dead_letters().await.unwrap();
    assert!(letters.len() == 1 && letters[0].refusal.message.contains("BUY MORE MILK"), "{letters:?}");
    assert!(bob.entry(behind).await.is_ok(), "nothing waits behind it");
    ann.rewrite_letter(letters[0].dot, "Buy more milk").await.unwrap();
    sync(&[&ann, &bob]).await;
    assert_eq!(bob.entry(entry).await.unwrap().text(Field::Title), "Buy more milk");
    assert_equal(&[&ann, &bob]).await;
}

#[tokio::test]
async fn a_clone_goes_on_under_an_identity_of_its_own_and_nothing_is_lost() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    ann.add(Kind::Task, "Before").await.unwrap();
    ann.sync_now().await.unwrap();
    let clone = ann.clone_device().await.unwrap();
    clone.set_mode(Mode::OnDemand);
    assert_eq!(clone.status().await.unwrap().replica, ann.status().await.unwrap().replica);
    ann.add(Kind::Task, "On the laptop").await.unwrap();
    clone.add(Kind::Task, "On the clone").await.unwrap();
    ann.sync_now().await.unwrap();
    let report = clone.sync_now().await.unwrap();
    assert!(report.rehomed >= 1, "{report:?}");
    sync(&[&ann, &clone]).await;
    assert_ne!(clone.status().await.unwrap().replica, ann.status().await.unwrap().replica);
    assert_equal(&[&ann, &clone]).await;
    assert_eq!(ann.entries(&Filter::default(), 9).await.unwrap().entries.len(), 3);
    let (names, status) = (ann.devices().await.unwrap(), clone.status().await.unwrap());
    assert_eq!(names.get(status.replica), Some(clone.name()), "the new identity has the clone's name");
}

#[tokio::test]
async fn a_clone_and_its_original_do_not_fight_for_their_name() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    ann.sync_now().await.unwrap();
    let clone = ann.clone_device().await.unwrap();
    clone.set_mode(Mode::OnDemand);
    for _ in 0..3 {
        sync(&[&ann, &clone]).await;
    }
    assert_eq!(ann.log(None, 9).await.unwrap().head.get(), 1, "the name was written once");
    let shared = clone.status().await.unwrap().replica;
    assert_eq!(clone.devices().await.unwrap().get(shared), Some("laptop"));
}

#[tokio::test]
async fn a_device_that_was_restored_from_an_old_copy_gets_back_what_the_server_has() {
    let world = World::new().await;
    let (ann, bob) = (world.device("ann", "laptop").await, world.device("bob", "phone").await);
    ann.add(Kind::Task, "Before the copy").await.unwrap();
    let copy = ann.take_copy().await.unwrap();
    let later = ann.add(Kind::Task, "After the copy, and synced").await.unwrap();
    sync(&[&ann, &bob]).await;
    let unsynced = ann.add(Kind::Task, "After the copy, and never synced").await.unwrap();
    let before = ann.restore(&copy.name).await.unwrap();
    assert!(ann.entry(later).await.is_err(), "it is as old as the copy");
    let anew = ann.add(Kind::Task, "Written on the restored device").await.unwrap();
    sync(&[&ann, &bob]).await;
    assert!(bob.entry(anew).await.is_ok() && ann.entry(later).await.is_ok());
    assert_equal(&[&ann, &bob]).await;

    ann.restore(&before.name).await.unwrap();
    assert!(ann.entry(unsynced).await.is_ok(), "what was there before is a copy itself");
    sync(&[&ann, &bob]).await;
    for entry in [later, anew, unsynced] {
        assert!(ann.entry(entry).await.is_ok() && bob.entry(entry).await.is_ok());
    }
    assert_equal(&[&ann, &bob]).await;
}

#[tokio::test]
async fn what_is_written_while_a_copy_is_restored_is_in_one_of_both() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let copy = ann.take_copy().await.unwrap();
    let writer = {
        let ann = ann.clone();
        tokio::spawn(async move {
            let mut written = Vec::new();
            for number in 0..60 {
                written.push(ann.add(Kind::Task, &format!("Task {number}")).await.unwrap());
            }
            written
        })
    };
    let before = ann.restore(&copy.name).await.unwrap();
    let (written, mut kept) = (writer.await.unwrap(), 0);
    for entry in &written {
        kept += usize::from(ann.entry(*entry).await.is_ok());
    }
    ann.restore(&before.name).await.unwrap();
    for entry in &written {
        kept += usize::from(ann.entry(*entry).await.is_ok());
    }
    assert_eq!(kept, written.len(), "each once: before the restore, or after it");
}

#[tokio::test]
async fn a_restore_waits_for_pages_and_pages_for_a_restore() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    ann.set_mode(Mode::Live);
    let copy = ann.take_copy().await.unwrap();
    let reading = || {
        let ann = ann.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                ann.entries(&Filter::default(), 9).await.unwrap();
                ann.conflicts(9).await.unwrap();
                ann.entry(milk).await.unwrap();
            }
        })
    };
    let readers = [reading(), reading(), reading()];
    for _ in 0..5 {
        ann.restore(&copy.name).await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_is_hours_fast_is_found_out_and_the_changes_get_the_right_times() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    ann.sync_now().await.unwrap();
    ann.set_skew(7_200_000);
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let written = ann.history(milk).await.unwrap()[0].0.time;
    assert!(written > syncline_os::wall_clock());
    let mut restamped = 0;
    // A clock that has jumped is believed to have done so when the second sync says the same.
    for _ in 0..3 {
        restamped += ann.sync_now().await.unwrap().restamped;
    }
    assert!(restamped > 0);
    assert!(ann.history(milk).await.unwrap()[0].0.time <= syncline_os::wall_clock());
    assert!(ann.status().await.unwrap().in_sync());
    assert!(ann.heard().notable.is_some(), "the page can tell of it");
}

#[tokio::test]
async fn who_it_is_and_its_copies_are_kept_over_a_restart() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    let (status, key) = (ann.status().await.unwrap(), ann.key().as_str().to_owned());
    ann.take_copy().await.unwrap();
    ann.close().await;
    let again = world.device("ann", "laptop").await;
    assert_eq!(again.status().await.unwrap().replica, status.replica);
    assert_eq!((again.key().as_str(), again.copies().await.unwrap().len()), (&*key, 1));
    assert_eq!(again.log(None, 9).await.unwrap().head, status.head, "its name is not written again");
    assert!(again.entry(milk).await.is_ok());
}

#[tokio::test]
async fn the_log_is_paged_from_its_newest_bundle_back() {
    let world = World::new().await;
    let ann = world.device("ann", "laptop").await;
    for number in 0..10 {
        ann.add(Kind::Task, &format!("Task {number}")).await.unwrap();
    }
    let newest = ann.log(None, 4).await.unwrap();
    let positions =
        |page: &client_view::client::LogPage| page.bundles.iter().map(|b| b.position.get()).collect::<Vec<_>>();
    assert_eq!((positions(&newest), newest.head.get()), (vec![11, 10, 9, 8], 11));
    assert_eq!(positions(&ann.log(Some(syncline::Position::new(2)), 4).await.unwrap()), [2, 1]);
    assert!(ann.log(Some(syncline::Position::ZERO), 4).await.unwrap().bundles.is_empty());
}

#[tokio::test]
async fn live_devices_show_what_the_other_has_written_without_being_asked() {
    let world = World::new().await;
    let (ann, bob) = (world.device("ann", "laptop").await, world.device("bob", "phone").await);
    ann.set_mode(Mode::Live);
    bob.set_mode(Mode::Live);
    let mut changes = bob.changes();
    let milk = ann.add(Kind::Task, "Buy milk").await.unwrap();
    while bob.entry(milk).await.is_err() {
        changes.changed().await.unwrap();
    }
}
