//! A network lets no WebSocket through: the app finds another way by itself, and says so.

use tests::{CLASSROOM, Condition, Pair, Result, same_page};

const SLOWLY: &str = "Online, the slow way · On the relay";

#[tokio::test(flavor = "multi_thread")]
async fn two_write_together_where_no_socket_gets_through() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Springs. ").await?;
    jonas.wait_for_page("Springs.").await?;

    for link in [0, 1] {
        pair.journey.link(link).cut();
    }
    tokio::try_join!(
        amina.wait_for_status("Offline · On the relay"),
        jonas.wait_for_status("Offline · On the relay")
    )?;
    for link in [0, 1] {
        pair.journey.link(link).set(Condition::NoSockets);
    }
    tokio::try_join!(amina.wait_for_status(SLOWLY), jonas.wait_for_status(SLOWLY))?;
    tokio::try_join!(amina.write("Upstream. "), jonas.write("Downstream. "))?;
    tokio::try_join!(
        amina.wait_for_page("Downstream."),
        jonas.wait_for_page("Upstream.")
    )?;
    tokio::try_join!(amina.wait_for_status(SLOWLY), jonas.wait_for_status(SLOWLY))?;

    // It starts that way as well.
    jonas.reload().await?;
    jonas.wait_for_status(SLOWLY).await?;
    amina.write("Delta. ").await?;
    jonas.wait_for_page("Delta.").await?;
    let page = same_page(&[amina, jonas]).await?;
    for word in ["Springs.", "Upstream.", "Downstream.", "Delta."] {
        assert_eq!(page.matches(word).count(), 1, "{word} in {page}");
    }
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.wait_for_status(SLOWLY).await?;
    let Pair { amina, jonas, .. } = pair;
    tokio::try_join!(amina.close(), jonas.close())?;
    Ok(())
}
