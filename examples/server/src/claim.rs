//! Whose replicas are: `claim`.

use syncline::SpaceId;
use syncline::authority::Principal;

use crate::cli::ClaimTask;
use crate::failure::Failure;
use crate::output::Output;
use crate::spaces;
use crate::stack::Stack;
use crate::text::count;

/// `claim`.
pub(crate) async fn run(task: ClaimTask, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    match task {
        ClaimTask::List { space } => list(&space, stack, out).await,
        ClaimTask::Release { replica } => {
            let owner = stack.accounts.release_claim(replica).await?;
            Ok(out.note(format!("replica {replica} has no owner now; it belonged to {owner}")).await?)
        }
        ClaimTask::Move { replica, user, device } => {
            let to = Principal { user, device };
            let before = stack.accounts.move_claim(replica, &to).await?;
            let before = before.map_or_else(|| "nobody".to_owned(), |owner| owner.to_string());
            Ok(out.note(format!("replica {replica} belongs to {to} from now on; it belonged to {before}")).await?)
        }
    }
}

/// One replica per line: its id, its owner, and the number of its bundles.
async fn list(space: &SpaceId, stack: &Stack, out: &mut Output) -> Result<(), Failure> {
    let Some(store) = spaces::find(space, stack).await?.open(stack).await? else { return Ok(()) };
    let heads = store.status().await?.heads;
    let replicas: Vec<_> = heads.iter().map(|(replica, _)| replica).collect();
    let owners = stack.accounts.owners(&replicas).await?;
    for (replica, head) in heads.iter() {
        let owner = owners.get(&replica).map_or_else(|| "-".to_owned(), ToString::to_string);
        out.line(format!("{replica}  {owner}  {}", count(head.seq.get(), "bundle"))).await?;
    }
    Ok(())
}
