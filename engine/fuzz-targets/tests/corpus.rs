//! Replays every committed input through the target it was found for.

use std::fs;
use std::path::{Path, PathBuf};

use syncline_fuzz_targets::TARGETS;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

#[test]
fn every_committed_input_passes() {
    for (name, target) in TARGETS {
        let folder = fs::read_dir(corpus(name)).unwrap_or_else(|error| panic!("no corpus for {name}: {error}"));
        let mut count = 0;
        for entry in folder {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            target(&bytes);
            count += 1;
        }
        assert!(count >= 3, "the corpus of {name} has only {count} inputs");
    }
}

#[test]
fn every_target_has_a_fuzzer() {
    for (name, _) in TARGETS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fuzz/fuzz_targets/{name}.rs"));
        assert!(fs::read_to_string(&file).is_ok_and(|text| text.contains(&format!("::{name}("))), "{}", file.display());
    }
}
