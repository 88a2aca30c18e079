"""Config keys of every kind of run, with the values that are the same for all runs.

Templates hold their keys in the order of the real export: by length, then by name.  Nested values
are shared between runs and must not be changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from .pretrain_evals import pretrain_keys

PROJECT = "ft-scaling"
ENTITY = "ml-moe"
SFT_DATA = ["allenai/tulu-3-sft-mixture", "1.0"]
DPO_DATA = ["allenai/llama-3.1-tulu-3-8b-preference-mixture", "1.0"]


def _words(text: str) -> list[str]:
    return text.split()


_NULL_KEYS = _words(
    "hf_entity hf_repo_id config_name hf_repo_url save_to_hub dataset_name dataset_mixer"
    " oe_eval_tasks gs_bucket_path tokenizer_name max_train_steps hf_repo_revision"
    " dataset_config_hash dataset_config_name resume_from_checkpoint"
)
_FALSE_KEYS = _words(
    "use_lora use_qlora push_to_hub overwrite_cache use_liger_kernel low_cpu_mem_usage"
    " trust_remote_code cache_dataset_only dataset_skip_cache use_8bit_optimizer"
    " load_balancing_loss try_auto_save_to_beaker try_launch_beaker_eval_jobs"
)
_TRUE_KEYS = _words(
    "add_bos use_fast with_tracking use_flash_attn fused_optimizer use_slow_tokenizer"
    " gradient_checkpointing"
)
_TRAINER: dict[str, Any] = {
    **dict.fromkeys(_NULL_KEYS),
    **dict.fromkeys(_FALSE_KEYS, False),
    **dict.fromkeys(_TRUE_KEYS, True),
    "timeout": 1800,
    "lora_rank": 64,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "report_to": ["wandb"],
    "weight_decay": 0,
    "wandb_entity": ENTITY,
    "wandb_project_name": PROJECT,
    "clip_grad_norm": -1,
    "model_revision": "main",
    "get_tokenizer_fn": "get_tokenizer_tulu_v2_2",
    "sft_messages_key": "messages",
    "ground_truths_key": "ground_truth",
    "lr_scheduler_type": "linear",
    "chat_template_name": "tulu",
    "dataset_cache_mode": "local",
    "oe_eval_max_length": 4096,
    "tokenizer_revision": "main",
    "hf_metadata_dataset": "allenai/tulu-3-evals",
    "keep_last_n_checkpoints": 3,
    "dataset_mixer_list_splits": ["train"],
    **dict.fromkeys(
        _words(
            "seed exp_name run_name tokenizer output_dir wandb_tags reduce_loss learning_rate"
            " num_train_epochs max_train_samples model_name_or_path tokenizer_files_hash"
            " tokenizer_name_or_path dataset_local_cache_dir logging_steps"
        )
    ),
}
_FINETUNE: dict[str, Any] = {
    "do_not_randomize_output_dir": False,
    "warmup_ratio": 0.03,
    "max_seq_length": 4096,
    "dataset_mix_dir": "output/sft_8b",
    "checkpointing_steps": "epoch",
    "dataset_mixer_list": SFT_DATA,
    "dataset_transform_fn": ["sft_tulu_tokenize_and_truncate_v1", "sft_tulu_filter_v1"],
    "load_balancing_weight": 0.5,
    "dataset_target_columns": ["input_ids", "attention_mask", "labels"],
    "preprocessing_num_workers": 128,
    "gradient_accumulation_steps": 16,
    "per_device_train_batch_size": 4,
}
_DPO: dict[str, Any] = {
    "dpo_beta": 5,
    "dpo_loss_type": "dpo_norm",
    "dpo_label_smoothing": 0,
    "dpo_gamma_beta_ratio": 0.3,
    "dpo_use_paged_optimizer": False,
    "concatenated_forward": True,
    "warmup_ratio": 0.1,
    "max_seq_length": 2048,
    "dataset_mix_dir": None,
    "checkpointing_steps": "1000",
    "dataset_mixer_list": DPO_DATA,
    "dataset_transform_fn": [
        "preference_tulu_tokenize_and_truncate_v1",
        "preference_tulu_filter_v1",
    ],
    "load_balancing_weight": 0.001,
    "dataset_target_columns": [
        f"{side}_{part}"
        for side in ("chosen", "rejected")
        for part in ("input_ids", "labels", "attention_mask")
    ],
    "preprocessing_num_workers": 16,
    "gradient_accumulation_steps": 32,
    "per_device_train_batch_size": 2,
}
# the evaluation upload adds these: the model's own configuration and the amounts of training
_MODEL_BLOCK: dict[str, Any] = {
    **dict.fromkeys(
        _words(
            "alibi norm_after include_bias scale_logits weight_tying scale_emb_init"
            " bias_for_layer_norm attention_layer_norm embedding_layer_norm"
            " attention_layer_norm_with_affine"
        ),
        False,
    ),
    **dict.fromkeys(
        _words("rope use_cache flash_attention rope_full_precision layer_norm_with_affine"), True
    ),
    **dict.fromkeys(
        _words("clip_qkv n_kv_heads emb_init_std mlp_hidden_size multi_query_attention")
    ),
    **dict.fromkeys(_words("residual_dropout attention_dropout embedding_dropout"), 0),
    "init_fn": "normal",
    "init_std": 0.02,
    "mlp_ratio": 8,
    "precision": "amp_bf16",
    "block_type": "sequential",
    "model_type": "hf_olmo",
    "rope_theta": 10000,
    "vocab_size": 50280,
    "init_device": "cuda",
    "torch_dtype": "bfloat16",
    "eos_token_id": 50279,
    "pad_token_id": 1,
    "architectures": ["OLMoForCausalLM"],
    "alibi_bias_max": 8,
    "embedding_size": 50304,
    "layer_norm_eps": 1e-06,
    "activation_type": "swiglu",
    "layer_norm_type": "rms",
    "block_group_size": 1,
    "init_cutoff_factor": 3,
    "max_sequence_length": 2048,
    "transformers_version": "4.52.4",
    **dict.fromkeys(
        _words(
            "d_model n_heads n_layers finetune_sequences finetune_unique_sequences"
            " total_compute_est"
        )
    ),
}
_PRETRAIN_AMOUNTS = _words(
    "model_size pretrain_steps pretrain_tokens pretrain_compute pretrain_sequences"
)
WANDB_TELEMETRY: dict[str, Any] = {
    "_wandb": {
        "m": [],
        "t": {
            "1": [1, 11, 30, 41, 49, 51, 55, 71, 95, 98],
            "2": [1, 11, 30, 41, 49, 51, 55, 71, 95, 98],
            "3": [2, 13, 14, 15, 23, 55, 61],
            "4": "3.11.13",
            "5": "0.18.1",
            "6": "4.52.4",
            "8": [5],
            "12": "0.18.1",
            "13": "linux-x86_64",
        },
        "code_path": "code/open_instruct/finetune.py",
        "cli_version": "0.18.1",
        "python_version": "3.11.13",
    }
}


def export_order(keys: Iterable[str]) -> list[str]:
    """Keys as the export orders them in config and metric objects."""
    return sorted(keys, key=lambda key: (len(key), key))


@cache
def config_template(
    method: str, trainer: bool, model: bool, wandb_config: bool, text_numbers: bool, vocabulary: int
) -> dict[str, Any]:
    """All keys a config of this kind holds, in export order, with the values that never vary."""
    values: dict[str, Any] = dict.fromkeys((*_PRETRAIN_AMOUNTS, *pretrain_keys(vocabulary)))
    if trainer:
        values |= _TRAINER | (_DPO if method == "dpo" else _FINETUNE)
        if wandb_config:
            values["wandb_config"] = None
        if text_numbers:
            values |= {"model_pretrain_steps": None, "model_pretrain_compute": None}
    if model:
        values |= _MODEL_BLOCK
    return {key: values[key] for key in export_order(values)}


@cache
def tokenizer_repr() -> str:
    """Everything of the tokenizer's Python repr after its path."""
    flags = "rstrip=False, lstrip=False, single_word=False"
    tokens = {0: ("|||IP_ADDRESS|||", False), 1: ("<|padding|>", True)}
    tokens |= {50254 + i: (" " * (24 - i), False) for i in range(23)}
    tokens |= {50277: ("|||EMAIL_ADDRESS|||", False), 50278: ("|||PHONE_NUMBER|||", False)}
    tokens[50279] = ("<|endoftext|>", True)
    lines = "".join(
        f'\t{number}: AddedToken("{text}", {flags}, normalized={not special}, special={special}),\n'
        for number, (text, special) in tokens.items()
    )
    return (
        ", vocab_size=50280, model_max_length=1000000000000000019884624838656, is_fast=True,"
        " padding_side='right', truncation_side='right', special_tokens={'eos_token':"
        " '<|endoftext|>', 'pad_token': '<|padding|>'}, clean_up_tokenization_spaces=False,"
        " added_tokens_decoder={\n" + lines + "}\n)"
    )
