//! Faults in carrying snapshots.

use syncline::protocol::{Code, Reply, Request, Supply};
use syncline_conformance::peer::{OWNER, WRITER};

use crate::broken_transports::Broken;
use crate::line::{Fault, answers, problems, refuses, requests, sound};

pub(crate) fn all() -> Vec<Broken> {
    let mut all = carrying();
    all.extend(refusing());
    all
}

fn carrying() -> Vec<Broken> {
    vec![
        (
            "lists the smallest snapshot first",
            &["snapshots_are_listed_as_the_peer_has_them"],
            answers(|answer| {
                if let Reply::Snapshots(list) = &mut answer.reply {
                    list.reverse();
                }
            }),
        ),
        (
            "takes pieces for text",
            &["pieces_of_a_snapshot_come_byte_for_byte"],
            answers(|answer| {
                if let Reply::Piece(piece) = &mut answer.reply {
                    piece.0 = String::from_utf8_lossy(&piece.0).into_owned().into();
                }
            }),
        ),
        (
            "counts chunks from 1",
            &["a_snapshot_that_is_handed_over_is_handed_out"],
            requests(|request| {
                if let Request::Supply(_, Supply::Chunk(_, index, _)) = request {
                    *index += 1;
                }
            }),
        ),
        (
            "does not say that a snapshot is complete",
            &["a_snapshot_that_is_handed_over_is_handed_out", "an_upload_goes_on_where_it_was_cut"],
            answers(|answer| {
                if let Reply::Wanted(wanted) = &mut answer.reply {
                    wanted.is_complete = false;
                }
            }),
        ),
        (
            "names one missing chunk at a time",
            &["an_upload_goes_on_where_it_was_cut"],
            answers(|answer| {
                if let Reply::Wanted(wanted) = &mut answer.reply {
                    wanted.missing.truncate(1);
                }
            }),
        ),
        (
            "has less room for pieces than the protocol",
            &["a_manifest_of_many_chunks_passes"],
            refuses(|request| match request {
                Request::Supply(_, Supply::Manifest(piece)) if piece.0.len() > 1_000_000 => Some(Code::TooLarge),
                _ => None,
            }),
        ),
    ]
}

fn refusing() -> Vec<Broken> {
    let everybody = |token: &str| if token == WRITER { OWNER.to_owned() } else { token.to_owned() };
    vec![
        (
            "tells snapshots that are gone as spaces that are hidden",
            &["a_snapshot_that_the_peer_lacks_is_unknown"],
            problems(|problem| {
                if problem.code == Code::UnknownSnapshot {
                    problem.code = Code::UnknownSpace;
                }
            }),
        ),
        (
            "does not say what is wrong with a snapshot",
            &["a_bad_snapshot_comes_back_with_what_is_wrong"],
            problems(|problem| {
                if problem.code == Code::BadSnapshot {
                    problem.detail.clear();
                }
            }),
        ),
        ("takes writers for owners", &["an_upload_takes_an_owner"], Fault { connect: Box::new(everybody), ..sound() }),
    ]
}
