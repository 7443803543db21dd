class PretrainedCfg:
    hf_hub_id: str | None

def get_pretrained_cfg(model_name: str, allow_unregistered: bool = True) -> PretrainedCfg | None: ...
