use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_task_reads_back_from_what_is_sent_to_the_running_server() {
    let lines = [
        "setup --user ann --device laptop --space notes",
        "user add ann",
        "device add ann laptop",
        "token create ann laptop",
        "token revoke ann laptop",
        "space add notes --owner ann",
        "claim list notes",
        "claim release 01010101010101010101010101010101",
        "claim move 01010101010101010101010101010101 ann laptop",
        "grant notes ann reader",
        "revoke notes ann",
        "list",
        "verify",
        "verify notes",
        "log notes",
        "status",
    ];
    for line in lines {
        let cli = Cli::parse_from(["syncline-server"].into_iter().chain(line.split(' ')));
        let Command::Task(task) = cli.command else { panic!("{line}") };
        let sent = serde_json::to_string(&task).unwrap();
        assert_eq!(serde_json::from_str::<Task>(&sent).unwrap().to_string(), line);
    }
}
