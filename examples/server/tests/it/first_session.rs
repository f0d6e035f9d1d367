//! What a newcomer does first.

use crate::world::{Home, note, push, replica};

#[tokio::test]
async fn what_one_device_pushes_another_pulls() {
    let home = Home::new();
    let laptop = home.set_up();
    let serving = home.serve();
    home.ok("user add bob");
    home.ok("device add bob phone");
    home.ok("grant notes bob reader");
    let phone = home.ok("token create bob phone").trim().to_owned();

    push(&serving, &laptop, 1, &["milk", "bread"]).await;
    let reader = replica(2).await;
    let report = reader.sync(&serving.transport(&phone)).await.unwrap();
    assert_eq!((report.pulled, report.is_complete()), (2, true));
    assert!(reader.status().await.unwrap().in_sync());
}

#[tokio::test]
async fn two_writers_end_with_the_same_bundles() {
    let home = Home::new();
    let laptop = home.set_up();
    home.ok("device add ann phone");
    let phone = home.ok("token create ann phone").trim().to_owned();
    let serving = home.serve();
    let (first, second) = (replica(1).await, replica(2).await);
    for (replica, token) in [(&first, &laptop), (&second, &phone), (&first, &laptop)] {
        replica.write(&[note("a"), note("b")]).await.unwrap();
        replica.sync(&serving.transport(token)).await.unwrap();
    }
    second.sync(&serving.transport(&phone)).await.unwrap();
    let heads = |status: syncline::store::LogStatus| status.heads;
    let (ours, theirs) = (first.store().status().await.unwrap(), second.store().status().await.unwrap());
    assert_eq!(heads(ours), heads(theirs));
}

#[test]
fn the_token_stands_alone_on_standard_output() {
    let home = Home::new();
    let ran = home.run("setup --user ann --device laptop --space notes");
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
    assert!(ran.out.starts_with("slt_") && !ran.err.contains("slt_"), "{ran:?}");
    for added in ["user ann added", "device ann/laptop added", "space notes added", "ann has the role owner in notes"] {
        assert!(ran.err.contains(added), "{added}: {ran:?}");
    }
}

#[tokio::test]
async fn setting_up_again_says_what_is_there_and_gives_one_more_token() {
    let home = Home::new();
    let first = home.set_up();
    let again = home.run("setup --user ann --device laptop --space notes");
    for exists in ["user ann exists already", "device ann/laptop exists already", "space notes exists already"] {
        assert!(again.err.contains(exists), "{exists}: {again:?}");
    }
    let serving = home.serve();
    push(&serving, &first, 1, &["milk"]).await;
    push(&serving, again.out.trim(), 2, &["bread"]).await;
}

#[tokio::test]
async fn setting_up_a_second_user_makes_them_a_writer_of_the_space() {
    let home = Home::new();
    home.set_up();
    let bob = home.run("setup --user bob --device phone --space notes");
    assert!(bob.err.contains("bob has the role writer in notes"), "{bob:?}");
    let serving = home.serve();
    push(&serving, bob.out.trim(), 1, &["milk"]).await;
}

#[test]
fn help_shows_a_first_session() {
    let home = Home::new();
    let help = home.ok("--help");
    for words in ["setup --user ann", "serve", "--expires 30d", "Exit codes", ".control", "SYNCLINE_CONFIG"] {
        assert!(help.contains(words), "{words}");
    }
    assert!(home.ok("token create --help").contains("only its hash"));
    assert_eq!(home.run("frobnicate").code, 2);
}
