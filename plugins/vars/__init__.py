"""Variables that come from neither an inventory nor a role."""
