//! Prints the CustomResourceDefinition of StreamApp as YAML.

use kube::CustomResourceExt;
use millrace_crds::StreamApp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", serde_saphyr::to_string(&StreamApp::crd())?);
    Ok(())
}
