//! Why something did not work, in sentences.

use protocol::Refusal;
use protocol::roster::Role;
use replica::command::{Answer, Problem};
use replica::store::AsideReason;
use replica::view::Why;

use crate::messages::say;

pub(crate) fn problem(problem: Problem) -> String {
    let say = say();
    let sentence = match problem {
        Problem::Refused(reason) => return refusal(reason),
        Problem::NotAnInvite => say.problem_not_an_invite(),
        Problem::NewerVersion => say.problem_newer_version(),
        Problem::NeedsConnection => say.problem_needs_connection(),
        Problem::UnknownClassroom => say.problem_unknown_classroom(),
        Problem::InviteExpired => say.problem_invite_expired(),
        Problem::InviteUsedUp => say.problem_invite_used_up(),
        Problem::InviteUnknown => say.problem_invite_unknown(),
        Problem::InviteBroken => say.problem_invite_broken(),
        Problem::BadName => say.problem_bad_name(),
        Problem::NotAllowed => say.problem_not_allowed(),
        Problem::Locked => say.problem_locked(),
        Problem::Closed => say.problem_closed(),
        Problem::LastLead => say.problem_last_lead(),
        Problem::UnknownDocument => say.problem_unknown_document(),
        Problem::TooLarge => say.problem_too_large(),
        Problem::LaneEnded => say.problem_lane_ended(),
        Problem::NotHere => say.problem_not_here(),
        Problem::BadAttachment => say.problem_bad_attachment(),
        Problem::Internal => say.problem_internal(),
    };
    sentence.to_owned()
}

/// What is wrong with an answer that is not the one that was asked for.
pub(crate) fn of_answer(answer: Result<Answer, Problem>) -> String {
    problem(answer.err().unwrap_or(Problem::Internal))
}

pub(crate) fn refusal(refusal: Refusal) -> String {
    let say = say();
    let sentence = match refusal {
        Refusal::Malformed => say.refusal_malformed(),
        Refusal::TooLarge => say.refusal_too_large(),
        Refusal::UnsupportedVersion => say.refusal_unsupported_version(),
        Refusal::NotAuthenticated => say.refusal_not_authenticated(),
        Refusal::BadSignature => say.refusal_bad_signature(),
        Refusal::UnknownClassroom => say.refusal_unknown_classroom(),
        Refusal::NotAMember => say.refusal_not_a_member(),
        Refusal::NotAllowed => say.refusal_not_allowed(),
        Refusal::UnknownParent => say.refusal_unknown_parent(),
        Refusal::IndexGap => say.refusal_index_gap(),
        Refusal::Fork => say.refusal_fork(),
        Refusal::InviteExpired => say.refusal_invite_expired(),
        Refusal::InviteUsedUp => say.refusal_invite_used_up(),
        Refusal::UnknownInvite => say.refusal_unknown_invite(),
        Refusal::FoundToken => say.refusal_found_token(),
        Refusal::WrongSpace => say.refusal_wrong_space(),
        Refusal::WrongEpoch => say.refusal_wrong_epoch(),
        Refusal::Busy => say.refusal_busy(),
        Refusal::Storage => say.refusal_storage(),
        Refusal::UnknownChannel => say.refusal_unknown_channel(),
        Refusal::GoingAway => say.refusal_going_away(),
        Refusal::LeavesOut => say.refusal_leaves_out(),
        Refusal::BeyondCutoff => say.refusal_beyond_cutoff(),
        Refusal::Locked => say.refusal_locked(),
        Refusal::ClassroomClosed => say.refusal_classroom_closed(),
        Refusal::Erased => say.refusal_erased(),
        Refusal::NotInSpace => say.refusal_not_in_space(),
        Refusal::FoldMismatch => say.refusal_fold_mismatch(),
        Refusal::TooFast => say.refusal_too_fast(),
        Refusal::QuotaFull => say.refusal_quota_full(),
        Refusal::TooManyDocuments => say.refusal_too_many_documents(),
        Refusal::TooManyConnections => say.refusal_too_many_connections(),
        Refusal::Disputed => say.refusal_disputed(),
        Refusal::InviteEnded => say.refusal_invite_ended(),
        Refusal::TooSlow => say.refusal_too_slow(),
        Refusal::MissingPiece => say.refusal_missing_piece(),
        Refusal::TooManyEntries => say.refusal_too_many_entries(),
        Refusal::TooManyCutoffs => say.refusal_too_many_cutoffs(),
        Refusal::NotCovered => say.refusal_not_covered(),
        // The enum grows with the protocol: a code without a sentence here is told by its number.
        other => return say.refusal_other(&u16::from(other).to_string()),
    };
    sentence.to_owned()
}

/// Why something was kept aside, and what to do.
pub(crate) fn kept_aside(reason: Why) -> (String, &'static str) {
    let say = say();
    let reason = match reason {
        Why::Refused(reason) => return (refusal(reason), say.aside_refused()),
        Why::Unfit(reason) => reason,
    };
    let (sentence, todo) = match reason {
        AsideReason::Unreadable => (say.aside_unreadable(), say.aside_export()),
        AsideReason::BadSignature => (say.aside_bad_signature(), say.aside_export()),
        AsideReason::UnknownRoster => (say.aside_unknown_roster(), say.aside_wait()),
        AsideReason::NotAllowed => (say.aside_not_allowed(), say.aside_write_again()),
        AsideReason::UnknownKey => (say.aside_unknown_key(), say.aside_wait()),
        AsideReason::CannotOpen => (say.aside_cannot_open(), say.aside_export()),
        AsideReason::MissingDependency => (say.aside_missing_dependency(), say.aside_wait()),
        AsideReason::OutOfOrder => (say.aside_out_of_order(), say.aside_wait()),
        AsideReason::WrongActor => (say.aside_wrong_actor(), say.aside_export()),
        AsideReason::BadChange => (say.aside_bad_change(), say.aside_export()),
        AsideReason::Forked => (say.aside_forked(), say.aside_export()),
        AsideReason::FoldDiffers => (say.aside_fold_differs(), say.aside_export()),
        AsideReason::SnapshotDiffers => (say.aside_snapshot_differs(), say.aside_export()),
        AsideReason::NewerVersion => (say.aside_newer_version(), say.aside_update()),
        AsideReason::NotMember => (say.aside_not_member(), say.aside_export()),
        AsideReason::WrongSpace => (say.aside_wrong_space(), say.aside_export()),
        AsideReason::BeyondCutoff => (say.aside_beyond_cutoff(), say.aside_write_again()),
        AsideReason::Locked => (say.aside_locked(), say.aside_unlock()),
        AsideReason::Closed => (say.aside_closed(), say.aside_reopen()),
        AsideReason::Erased => (say.aside_erased(), say.aside_write_again()),
    };
    (sentence.to_owned(), todo)
}

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Lead => say().role_lead(),
        Role::Teacher => say().role_teacher(),
        Role::Student => say().role_student(),
        Role::Guest => say().role_guest(),
        Role::Carrier => say().role_carrier(),
    }
}

/// What a role may do.
pub(crate) fn role_hint(role: Role) -> &'static str {
    match role {
        Role::Lead => say().role_lead_hint(),
        Role::Teacher => say().role_teacher_hint(),
        Role::Student => say().role_student_hint(),
        Role::Guest => say().role_guest_hint(),
        Role::Carrier => say().role_carrier_hint(),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn each_refusal_that_the_protocol_knows_has_its_own_sentence() {
        let mut sentences: Vec<String> = Refusal::ALL.iter().map(|&code| refusal(code)).collect();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), Refusal::ALL.len());
        let unknown = refusal(Refusal::from(60_000));
        assert!(unknown.contains("60000"));
        for &code in Refusal::ALL {
            assert!(
                !refusal(code).contains(&u16::from(code).to_string()),
                "{code:?} has no sentence"
            );
        }
    }
}
