"""What every config shares: hooks, seeds, logs."""
default_scope = 'mmaction'
custom_imports = dict(imports=['cbm_plugin.recognition'])

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # whole or not at all; of two, one is there to fall back to
    checkpoint=dict(type='WholeCheckpointHook', interval=1, save_best='auto', max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
    # at a loss that is no number: 'stop', with the batch saved, or 'skip' up to max_skipped times
    numbers=dict(type='NonFiniteLossHook', action='stop', max_skipped=20),
    # clips of many lengths break the heap up, and loader workers are forks: neither may grow
    memory=dict(type='SteadyMemoryHook', interval=50))

custom_hooks = [
    dict(type='SeedIterationHook'),  # draws depend on (seed, iteration, rank): exact resume
    dict(type='VideoFaultHook', max_share=0.1),  # broken videos are named, counted, replaced
    dict(type='CurvesHook'),  # curves.png in the work dir
]

# used with --launcher only: the stock wrapper would skip clip-by-clip training
model_wrapper_cfg = dict(type='ClipwiseDistributedDataParallel', broadcast_buffers=False)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # seconds that a process waits for another before it gives it up
    dist_cfg=dict(backend='nccl', timeout=1800))

log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='ActionVisualizer', vis_backends=vis_backends)

# a seed in the config, always: without one a resumed run would draw another
randomness = dict(seed=0, diff_rank_seed=False, deterministic=False)

log_level = 'INFO'
load_from = None
resume = False
