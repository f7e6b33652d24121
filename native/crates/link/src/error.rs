/// Why a call failed. The texts are shown to people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Config(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("{0}")]
    Socket(#[from] std::io::Error),
    #[error("the link has ended")]
    LinkEnded,
    #[error("the engine has stopped")]
    Stopped,
}
