"""Names and defaults of the optimizers, as pytorch-optimizer 4.1.0 has them.

The table is printed by tools/make_optim_catalog.py. A row: registry name, class, arguments (name,
default; after "*" only by keyword), whether further keywords are taken, whether it is torch's own.
REQUIRED marks arguments without a default, "torch.float32" and the like dtypes.
"""

REQUIRED = "<required>"

OPTIMIZERS = (
    ('a2grad', 'A2Grad', (
        ('params', '<required>'), ('lr', None), ('beta', 10.0), ('lips', 10.0), ('rho', 0.5),
        ('variant', 'uni'), ('maximize', False), ('foreach', None),
    ), True, False),
    ('accsgd', 'AccSGD', (
        ('params', '<required>'), ('lr', 0.001), ('kappa', 1000.0), ('xi', 10.0),
        ('constant', 0.7), ('weight_decay', 0.0), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adabelief', 'AdaBelief', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('rectify', False),
        ('n_sma_threshold', 5), ('degenerated_to_sgd', True), ('ams_bound', False),
        ('foreach', None), ('eps', 1e-16), ('maximize', False),
    ), True, False),
    ('adabound', 'AdaBound', (
        ('params', '<required>'), ('lr', 0.001), ('final_lr', 0.1), ('betas', (0.9, 0.999,)),
        ('gamma', 0.001), ('weight_decay', 0.0), ('weight_decouple', True),
        ('fixed_decay', False), ('ams_bound', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('adadelta', 'AdaDelta', (
        ('params', '<required>'), ('lr', 1.0), ('rho', 0.9), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('eps', 1e-06), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('adafactor', 'AdaFactor', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('decay_rate', -0.8),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False),
        ('clip_threshold', 1.0), ('ams_bound', False), ('scale_parameter', True),
        ('relative_step', True), ('warmup_init', False), ('eps1', 1e-30), ('eps2', 0.001),
        ('momentum_dtype', 'torch.bfloat16'), ('foreach', None), ('maximize', False),
    ), True, False),
    ('adagc', 'AdaGC', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('beta', 0.98),
        ('lambda_abs', 1.0), ('lambda_rel', 1.05), ('warmup_steps', 100), ('weight_decay', 0.1),
        ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('adago', 'AdaGO', (
        ('params', '<required>'), ('lr', 0.05), ('momentum', 0.95), ('weight_decay', 0.0),
        ('weight_decouple', True), ('gamma', 10.0), ('eps', 0.0005), ('v', 1e-06),
        ('nesterov', False), ('ns_steps', 5), ('ns_coeffs', 'original'),
        ('use_adjusted_lr', False), ('adamw_lr', 0.0003), ('adamw_betas', (0.9, 0.95,)),
        ('adamw_wd', 0.0), ('adamw_eps', 1e-10), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adahessian', 'AdaHessian', (
        ('params', '<required>'), ('lr', 0.1), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('hessian_power', 1.0),
        ('update_period', 1), ('num_samples', 1), ('hessian_distribution', 'rademacher'),
        ('eps', 1e-16), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adai', 'Adai', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.1, 0.99,)), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('stable_weight_decay', False),
        ('dampening', 1.0), ('eps', 0.001), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adalite', 'Adalite', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.01),
        ('weight_decouple', True), ('fixed_decay', False), ('g_norm_min', 1e-10),
        ('ratio_min', 0.0001), ('tau', 1.0), ('eps1', 1e-06), ('eps2', 1e-10),
        ('maximize', False),
    ), True, False),
    ('adalomo', 'AdaLOMO', (
        ('model', '<required>'), ('lr', 0.001), ('weight_decay', 0.0), ('loss_scale', 1024.0),
        ('clip_threshold', 1.0), ('decay_rate', -0.8), ('clip_grad_norm', None),
        ('clip_grad_value', None), ('eps1', 1e-30), ('eps2', 0.001),
    ), True, False),
    ('adam', 'Adam', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('eps', 1e-08),
        ('weight_decay', 0), ('amsgrad', False), ('*', None), ('foreach', None),
        ('maximize', False), ('capturable', False), ('differentiable', False), ('fused', None),
        ('decoupled_weight_decay', False),
    ), False, True),
    ('adamax', 'AdaMax', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('adamc', 'AdamC', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('ams_bound', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('adamg', 'AdamG', (
        ('params', '<required>'), ('lr', 1.0), ('betas', (0.95, 0.999, 0.95,)), ('p', 0.2),
        ('q', 0.24), ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False),
        ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adammini', 'AdamMini', (
        ('model', '<required>'), ('lr', 1.0), ('betas', (0.9, 0.999,)), ('weight_decay', 0.1),
        ('model_sharding', False), ('num_embeds', 2048), ('num_heads', 32),
        ('num_query_groups', None), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adamod', 'AdaMod', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.99, 0.9999,)),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('adamp', 'AdamP', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('delta', 0.1), ('wd_ratio', 0.1),
        ('nesterov', False), ('eps', 1e-08), ('maximize', False), ('foreach', False),
    ), True, False),
    ('adams', 'AdamS', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)),
        ('weight_decay', 0.0001), ('weight_decouple', True), ('fixed_decay', False),
        ('ams_bound', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adamuon', 'AdaMuon', (
        ('params', '<required>'), ('lr', 0.02), ('betas', (0.9, 0.95,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('ns_steps', 5), ('ns_coeffs', 'original'),
        ('use_adjusted_lr', True), ('adamw_lr', 0.0003), ('adamw_betas', (0.9, 0.999,)),
        ('adamw_wd', 0.0), ('eps', 1e-10), ('maximize', False), ('foreach', False),
    ), True, False),
    ('adamw', 'AdamW', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('eps', 1e-08),
        ('weight_decay', 0.01), ('amsgrad', False), ('*', None), ('maximize', False),
        ('foreach', None), ('capturable', False), ('differentiable', False), ('fused', None),
    ), False, True),
    ('adamwsn', 'AdamWSN', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('subset_size', -1), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('adan', 'Adan', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.98, 0.92, 0.99,)),
        ('weight_decay', 0.0), ('weight_decouple', False), ('max_grad_norm', 0.0),
        ('foreach', None), ('eps', 1e-08), ('maximize', False),
    ), True, False),
    ('adanorm', 'AdaNorm', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.99,)), ('r', 0.95),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False),
        ('ams_bound', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adapnm', 'AdaPNM', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999, 1.0,)),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False),
        ('ams_bound', True), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adashift', 'AdaShift', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('keep_num', 10),
        ('reduce_func', None), ('eps', 1e-10), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adasmooth', 'AdaSmooth', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.5, 0.99,)), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('eps', 1e-06), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('adatam', 'AdaTAM', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('decay_rate', 0.9),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('ademamix', 'AdEMAMix', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999, 0.9999,)),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False), ('alpha', 5.0),
        ('t_alpha_beta3', None), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('adopt', 'ADOPT', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.9999,)), ('clip_lambda', None),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False),
        ('foreach', None), ('eps', 1e-06), ('maximize', False),
    ), True, False),
    ('aggmo', 'AggMo', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.0, 0.9, 0.99,)),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('aida', 'Aida', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('k', 2),
        ('xi', 1e-20), ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False),
        ('rectify', False), ('n_sma_threshold', 5), ('degenerated_to_sgd', True),
        ('ams_bound', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('alice', 'Alice', (
        ('params', '<required>'), ('lr', 0.02), ('betas', (0.9, 0.9, 0.999,)), ('alpha', 0.3),
        ('alpha_c', 0.4), ('update_interval', 200), ('rank', 256), ('gamma', 1.01),
        ('leading_basis', 40), ('weight_decay', 0.0), ('weight_decouple', True),
        ('fixed_decay', False), ('eps', 1e-08), ('maximize', False),
    ), True, False),
    ('alig', 'AliG', (
        ('params', '<required>'), ('max_lr', None), ('projection_fn', None), ('momentum', 0.0),
        ('adjusted_momentum', False), ('maximize', False), ('foreach', None),
    ), True, False),
    ('amos', 'Amos', (
        ('params', '<required>'), ('lr', 0.001), ('beta', 0.999), ('momentum', 0.0),
        ('extra_l2', 0.0), ('c_coef', 0.25), ('d_coef', 0.25), ('foreach', None), ('eps', 1e-18),
        ('maximize', False),
    ), True, False),
    ('ano', 'Ano', (
        ('params', '<required>'), ('lr', 0.0001), ('betas', (0.92, 0.99,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('logarithmic_schedule', False),
        ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('apollo', 'APOLLO', (
        ('params', '<required>'), ('lr', 0.01), ('betas', (0.9, 0.999,)),
        ('scale_type', 'tensor'), ('weight_decay', 0.0), ('weight_decouple', True),
        ('fixed_decay', False), ('correct_bias', True), ('eps', 1e-06), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('apollodqn', 'ApolloDQN', (
        ('params', '<required>'), ('lr', 0.01), ('init_lr', 1e-05), ('beta', 0.9),
        ('rebound', 'constant'), ('weight_decay', 0.0), ('weight_decay_type', 'l2'),
        ('warmup_steps', 500), ('eps', 0.0001), ('maximize', False), ('foreach', None),
    ), True, False),
    ('asgd', 'ASGD', (
        ('params', '<required>'), ('lr', 0.01), ('amplifier', 0.02), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('theta', 1.0), ('dampening', 1.0),
        ('eps', 1e-05), ('maximize', False), ('foreach', None),
    ), True, False),
    ('avagrad', 'AvaGrad', (
        ('params', '<required>'), ('lr', 0.1), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('eps', 0.1), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('bcos', 'BCOS', (
        ('params', '<required>'), ('lr', 0.001), ('beta', 0.9), ('beta2', None), ('mode', 'c'),
        ('simple_cond', False), ('weight_decay', 0.1), ('weight_decouple', True), ('eps', 1e-06),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('bsam', 'BSAM', (
        ('params', '<required>'), ('num_data', '<required>'), ('lr', 0.5),
        ('betas', (0.9, 0.999,)), ('weight_decay', 0.0001), ('rho', 0.05), ('adaptive', False),
        ('damping', 0.1), ('foreach', None),
    ), True, False),
    ('came', 'CAME', (
        ('params', '<required>'), ('lr', 0.0002), ('betas', (0.9, 0.999, 0.9999,)),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False),
        ('clip_threshold', 1.0), ('ams_bound', False), ('eps1', 1e-30), ('eps2', 1e-16),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('conda', 'Conda', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('update_proj_gap', 2000), ('scale', 1.0), ('projection_type', 'std'), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('dadaptadagrad', 'DAdaptAdaGrad', (
        ('params', '<required>'), ('lr', 1.0), ('momentum', 0.0), ('d0', 1e-06),
        ('growth_rate', float('inf')), ('weight_decay', 0.0), ('weight_decouple', False),
        ('fixed_decay', False), ('eps', 0.0), ('maximize', False), ('foreach', None),
    ), True, False),
    ('dadaptadam', 'DAdaptAdam', (
        ('params', '<required>'), ('lr', 1.0), ('betas', (0.9, 0.999,)), ('d0', 1e-06),
        ('growth_rate', float('inf')), ('weight_decay', 0.0), ('weight_decouple', False),
        ('fixed_decay', False), ('bias_correction', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('dadaptadan', 'DAdaptAdan', (
        ('params', '<required>'), ('lr', 1.0), ('betas', (0.98, 0.92, 0.99,)),
        ('weight_decay', 0.0), ('weight_decouple', False), ('d0', 1e-06),
        ('growth_rate', float('inf')), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('dadaptlion', 'DAdaptLion', (
        ('params', '<required>'), ('lr', 1.0), ('betas', (0.9, 0.999,)), ('d0', 1e-06),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('dadaptsgd', 'DAdaptSGD', (
        ('params', '<required>'), ('lr', 1.0), ('momentum', 0.9), ('d0', 1e-06),
        ('growth_rate', float('inf')), ('weight_decay', 0.0), ('weight_decouple', False),
        ('fixed_decay', False), ('maximize', False), ('foreach', None),
    ), True, False),
    ('dash', 'DASH', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.95,)), ('grafting_beta', None),
        ('weight_decay', 0.0), ('block_size', 1024), ('precondition_frequency', 10),
        ('start_preconditioning_step', 1), ('inverse_root_method', 'newton_db'),
        ('matrix_scaling', 'power'), ('newton_steps', 10), ('power_iteration_steps', 10),
        ('power_iteration_vectors', 16), ('momentum', 0.0), ('nesterov', True),
        ('correct_bias', True), ('eps', 1e-08), ('matrix_eps', 1e-10), ('maximize', False),
    ), True, False),
    ('demo', 'DeMo', (
        ('params', '<required>'), ('lr', 0.001), ('compression_decay', 0.999),
        ('compression_top_k', 32), ('compression_chunk', 64), ('weight_decay', 0.0),
        ('process_group', None), ('maximize', False), ('foreach', None),
    ), True, False),
    ('diffgrad', 'DiffGrad', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('rectify', False),
        ('n_sma_threshold', 5), ('degenerated_to_sgd', True), ('ams_bound', False),
        ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('distributedmuon', 'DistributedMuon', (
        ('params', '<required>'), ('lr', 0.02), ('momentum', 0.95), ('weight_decay', 0.0),
        ('weight_decouple', True), ('nesterov', True), ('ns_steps', 5), ('ns_coeffs', 'original'),
        ('use_adjusted_lr', False), ('adamw_lr', 0.0003), ('adamw_betas', (0.9, 0.95,)),
        ('adamw_wd', 0.0), ('adamw_eps', 1e-10), ('maximize', False), ('foreach', None),
    ), True, False),
    ('dualadam', 'DualAdam', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('switch_rate', 0.01),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('emofact', 'EmoFact', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('use_shadow', False),
        ('shadow_weight', 0.05), ('weight_decay', 0.01), ('weight_decouple', True),
        ('fixed_decay', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('emolynx', 'EmoLynx', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.99,)), ('use_shadow', False),
        ('shadow_weight', 0.05), ('weight_decay', 0.01), ('weight_decouple', True),
        ('fixed_decay', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('emonavi', 'EmoNavi', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('use_shadow', False),
        ('shadow_weight', 0.05), ('weight_decay', 0.01), ('weight_decouple', True),
        ('fixed_decay', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('exadam', 'EXAdam', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', False),
    ), True, False),
    ('fadam', 'FAdam', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.1),
        ('clip', 1.0), ('p', 0.5), ('eps', 1e-08), ('momentum_dtype', 'torch.float32'),
        ('fim_dtype', 'torch.float32'), ('maximize', False), ('eps_2', 0.01), ('foreach', None),
    ), True, False),
    ('fira', 'Fira', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('eps', 1e-06), ('maximize', False), ('foreach', None),
    ), True, False),
    ('flashadamw', 'FlashAdamW', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.01),
        ('decouple_lr', False), ('quantize', True), ('compress_state_dict', True),
        ('master_weight_bits', None), ('check_numerics', False), ('fused', False),
        ('maximize', False), ('eps', 1e-08), ('foreach', None),
    ), True, False),
    ('focus', 'FOCUS', (
        ('params', '<required>'), ('lr', 0.01), ('betas', (0.9, 0.999,)), ('gamma', 0.1),
        ('weight_decay', 0.0), ('maximize', False), ('foreach', None),
    ), True, False),
    ('fromage', 'Fromage', (
        ('params', '<required>'), ('lr', 0.01), ('p_bound', None), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('ftrl', 'FTRL', (
        ('params', '<required>'), ('lr', 0.001), ('lr_power', -0.5), ('beta', 0.0),
        ('lambda_1', 0.0), ('lambda_2', 0.0), ('maximize', False), ('foreach', None),
    ), True, False),
    ('galore', 'GaLore', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('eps', 1e-06), ('maximize', False), ('foreach', None),
    ), True, False),
    ('grams', 'Grams', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('eps', 1e-06), ('maximize', False), ('foreach', False),
    ), True, False),
    ('gravity', 'Gravity', (
        ('params', '<required>'), ('lr', 0.01), ('alpha', 0.01), ('beta', 0.9),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('grokfastadamw', 'GrokFastAdamW', (
        ('params', '<required>'), ('lr', 0.0001), ('betas', (0.9, 0.99,)), ('grokfast', True),
        ('grokfast_alpha', 0.98), ('grokfast_lamb', 2.0), ('grokfast_after_step', 0),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False),
        ('normalize_lr', True), ('eps', 1e-08), ('foreach', None), ('maximize', False),
    ), True, False),
    ('kate', 'Kate', (
        ('params', '<required>'), ('lr', 0.001), ('delta', 0.0), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('kron', 'Kron', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.9), ('weight_decay', 0.0),
        ('weight_decouple', True), ('pre_conditioner_update_probability', None),
        ('max_size_triangular', 8192), ('min_ndim_triangular', 2), ('memory_save_mode', None),
        ('momentum_into_precondition_update', True), ('mu_dtype', None),
        ('precondition_dtype', 'torch.float32'), ('balance_prob', 0.01), ('maximize', False),
    ), True, False),
    ('lamb', 'Lamb', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('rectify', False),
        ('degenerated_to_sgd', False), ('n_sma_threshold', 5), ('grad_averaging', True),
        ('max_grad_norm', 1.0), ('adam', False), ('pre_norm', False), ('eps', 1e-06),
        ('foreach', None), ('maximize', False),
    ), True, False),
    ('laprop', 'LaProp', (
        ('params', '<required>'), ('lr', 0.0004), ('betas', (0.9, 0.999,)), ('centered', False),
        ('steps_before_using_centered', 10), ('weight_decay', 0.0), ('weight_decouple', True),
        ('fixed_decay', False), ('ams_bound', False), ('eps', 1e-15), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('lars', 'LARS', (
        ('params', '<required>'), ('lr', 0.001), ('weight_decay', 0.0), ('momentum', 0.9),
        ('dampening', 0.0), ('trust_coefficient', 0.001), ('nesterov', False), ('foreach', None),
        ('maximize', False),
    ), True, False),
    ('lbfgs', 'LBFGS', (
        ('params', '<required>'), ('lr', 1), ('max_iter', 20), ('max_eval', None),
        ('tolerance_grad', 1e-07), ('tolerance_change', 1e-09), ('history_size', 100),
        ('line_search_fn', None), ('*', None), ('maximize', False),
    ), False, True),
    ('lion', 'Lion', (
        ('params', '<required>'), ('lr', 0.0001), ('betas', (0.9, 0.99,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('foreach', None), ('maximize', False),
    ), True, False),
    ('lomo', 'LOMO', (
        ('model', '<required>'), ('lr', 0.001), ('clip_grad_norm', None),
        ('clip_grad_value', None), ('maximize', False),
    ), True, False),
    ('lorarite', 'LoRARite', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('eps', 1e-06),
        ('relative_epsilon', False), ('clip_unmagnified_grad', 1.0), ('update_capping', 0.0),
        ('update_skipping', 1.0), ('weight_decay', 0.0), ('apply_escape', False),
        ('lora_l_dim', 0), ('lora_r_dim', -1), ('maybe_inf_to_nan', True),
        ('balance_param', False), ('maximize', False),
    ), True, False),
    ('madgrad', 'MADGRAD', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.9), ('weight_decay', 0.0),
        ('weight_decouple', False), ('eps', 1e-06), ('maximize', False), ('foreach', None),
    ), True, False),
    ('magma', 'Magma', (
        ('optimizer', '<required>'), ('mask_prob', 0.5), ('tau', 2.0), ('momentum_beta', 0.9),
        ('alignment_ema', 0.9), ('moment_key', 'auto'), ('exclude', None), ('foreach', None),
    ), True, False),
    ('mars', 'MARS', (
        ('params', '<required>'), ('lr', 0.003), ('betas', (0.95, 0.99,)), ('gamma', 0.025),
        ('mars_type', 'adamw'), ('optimize_1d', False), ('lr_1d', 0.003),
        ('betas_1d', (0.9, 0.95,)), ('weight_decay', 0.0), ('weight_decay_1d', 0.1),
        ('weight_decouple', True), ('fixed_decay', False), ('ams_bound', False),
        ('cautious', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('msvag', 'MSVAG', (
        ('params', '<required>'), ('lr', 0.01), ('beta', 0.9), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('muon', 'Muon', (
        ('params', '<required>'), ('lr', 0.02), ('momentum', 0.95), ('weight_decay', 0.0),
        ('weight_decouple', True), ('nesterov', True), ('ns_steps', 5), ('ns_coeffs', 'original'),
        ('use_adjusted_lr', False), ('adamw_lr', 0.0003), ('adamw_betas', (0.9, 0.95,)),
        ('adamw_wd', 0.0), ('adamw_eps', 1e-10), ('maximize', False), ('foreach', None),
        ('ns_method', 'newton_schulz'), ('ns_reset_steps', (2,)),
    ), True, False),
    ('muonclip', 'MuonClip', (
        ('params', '<required>'), ('lr', 0.02), ('momentum', 0.95), ('weight_decay', 0.0),
        ('qk_clip_threshold', 100.0), ('qk_clip_alpha', 0.5), ('ns_steps', 5),
        ('ns_coeffs', 'original'), ('ns_method', 'newton_schulz'), ('ns_reset_steps', (2,)),
        ('adamw_lr', 0.0003), ('adamw_betas', (0.9, 0.95,)), ('adamw_wd', 0.0),
        ('adamw_eps', 1e-10), ('maximize', False), ('foreach', None), ('use_adjusted_lr', True),
    ), True, False),
    ('nadam', 'NAdam', (
        ('params', '<required>'), ('lr', 0.002), ('betas', (0.9, 0.999,)), ('eps', 1e-08),
        ('weight_decay', 0), ('momentum_decay', 0.004), ('decoupled_weight_decay', False),
        ('*', None), ('foreach', None), ('maximize', False), ('capturable', False),
        ('differentiable', False),
    ), False, True),
    ('nero', 'Nero', (
        ('params', '<required>'), ('lr', 0.01), ('beta', 0.999), ('constraints', True),
        ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('normuon', 'NorMuon', (
        ('params', '<required>'), ('lr', 0.02), ('momentum', 0.95), ('beta2', 0.95),
        ('weight_decay', 0.0), ('weight_decouple', True), ('nesterov', True), ('ns_steps', 5),
        ('ns_coeffs', 'original'), ('update_scale', 'preserve_norm'), ('use_adjusted_lr', False),
        ('adamw_lr', 0.0003), ('adamw_betas', (0.9, 0.95,)), ('adamw_wd', 0.0),
        ('adamw_eps', 1e-10), ('eps', 1e-10), ('maximize', False), ('foreach', None),
    ), True, False),
    ('novograd', 'NovoGrad', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.95, 0.98,)), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('grad_averaging', False),
        ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('padam', 'PAdam', (
        ('params', '<required>'), ('lr', 0.1), ('betas', (0.9, 0.999,)), ('partial', 0.25),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('pid', 'PID', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.0), ('dampening', 0.0),
        ('derivative', 10.0), ('integral', 5.0), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('pnm', 'PNM', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 1.0,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', None),
    ), True, False),
    ('prodigy', 'Prodigy', (
        ('params', '<required>'), ('lr', 1.0), ('betas', (0.9, 0.999,)), ('beta3', None),
        ('d0', 1e-06), ('d_coef', 1.0), ('growth_rate', float('inf')), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('bias_correction', False),
        ('safeguard_warmup', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('qhadam', 'QHAdam', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('nus', (1.0, 1.0,)),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('qhm', 'QHM', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.0), ('nu', 1.0),
        ('weight_decay', 0.0), ('weight_decouple', False), ('fixed_decay', False),
        ('maximize', False), ('foreach', False),
    ), True, False),
    ('racs', 'RACS', (
        ('params', '<required>'), ('lr', 0.001), ('beta', 0.9), ('alpha', 0.05), ('gamma', 1.01),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', False),
    ), True, False),
    ('radam', 'RAdam', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('n_sma_threshold', 5),
        ('degenerated_to_sgd', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('ranger', 'Ranger', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.95, 0.999,)), ('alpha', 0.5),
        ('k', 6), ('n_sma_threshold', 5), ('degenerated_to_sgd', False), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('use_gc', True),
        ('gc_conv_only', False), ('eps', 1e-05), ('maximize', False), ('foreach', None),
    ), True, False),
    ('ranger21', 'Ranger21', (
        ('params', '<required>'), ('num_iterations', '<required>'), ('lr', 0.001), ('beta0', 0.9),
        ('betas', (0.9, 0.999,)), ('use_softplus', True), ('beta_softplus', 50.0),
        ('disable_lr_scheduler', False), ('num_warm_up_iterations', None),
        ('num_warm_down_iterations', None), ('warm_down_min_lr', 3e-05),
        ('agc_clipping_value', 0.01), ('agc_eps', 0.001), ('centralize_gradients', True),
        ('normalize_gradients', True), ('lookahead_merge_time', 5),
        ('lookahead_blending_alpha', 0.5), ('weight_decay', 0.0001), ('weight_decouple', True),
        ('fixed_decay', False), ('norm_loss_factor', 0.0001), ('eps', 1e-08), ('maximize', False),
        ('*', None), ('foreach', None),
    ), True, False),
    ('rmsprop', 'RMSprop', (
        ('params', '<required>'), ('lr', 0.01), ('alpha', 0.99), ('eps', 1e-08),
        ('weight_decay', 0), ('momentum', 0), ('centered', False), ('capturable', False),
        ('foreach', None), ('maximize', False), ('differentiable', False),
    ), False, True),
    ('rose', 'ROSE', (
        ('params', '<required>'), ('lr', 0.001), ('weight_decay', 0.0001), ('wd_schedule', False),
        ('weight_decouple', False), ('fixed_decay', False), ('centralize', True),
        ('stabilize', True), ('bf16_sr', True), ('compute_dtype', 'torch.float64'),
        ('maximize', False), ('foreach', False),
    ), True, False),
    ('sara', 'SaRA', (
        ('params', '<required>'), ('lr', None), ('betas', (0.9, 0.999,)), ('threshold', 0.001),
        ('progressive_iter', -1), ('lambda_rank', 0.0), ('weight_decay', 0.01),
        ('ams_bound', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('scalableshampoo', 'ScalableShampoo', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)),
        ('moving_average_for_momentum', False), ('weight_decay', 0.0),
        ('decoupled_weight_decay', False), ('decoupled_learning_rate', True),
        ('inverse_exponent_override', 0), ('start_preconditioning_step', 25),
        ('preconditioning_compute_steps', 1000), ('statistics_compute_steps', 1),
        ('block_size', 512), ('skip_preconditioning_rank_lt', 1),
        ('no_preconditioning_for_layers_with_dim_gt', 8192), ('shape_interpretation', True),
        ('graft_type', 1), ('pre_conditioner_type', 0), ('nesterov', True),
        ('diagonal_eps', 1e-10), ('matrix_eps', 1e-06), ('use_svd', False), ('maximize', False),
    ), True, False),
    ('schedulefreeadamw', 'ScheduleFreeAdamW', (
        ('params', '<required>'), ('lr', 0.0025), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('r', 0.0), ('weight_lr_power', 2.0), ('warmup_steps', 0), ('decoupling_c', 0),
        ('ams_bound', False), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('schedulefreeradam', 'ScheduleFreeRAdam', (
        ('params', '<required>'), ('lr', 0.0025), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('r', 0.0), ('weight_lr_power', 2.0), ('silent_sgd_phase', True), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('schedulefreesgd', 'ScheduleFreeSGD', (
        ('params', '<required>'), ('lr', 1.0), ('momentum', 0.9), ('weight_decay', 0.0),
        ('r', 0.0), ('weight_lr_power', 2.0), ('warmup_steps', 0), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('scion', 'SCION', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.1), ('constraint', False),
        ('norm_type', 1), ('norm_kwargs', None), ('scale', 1.0), ('weight_decay', 0.0),
        ('weight_decouple', True), ('foreach', None), ('maximize', False),
    ), True, False),
    ('scionlight', 'SCIONLight', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.1), ('constraint', False),
        ('norm_type', 1), ('norm_kwargs', None), ('scale', 1.0), ('weight_decay', 0.0),
        ('weight_decouple', True), ('foreach', None), ('maximize', False),
    ), True, False),
    ('sgd', 'SGD', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0), ('dampening', 0),
        ('weight_decay', 0), ('nesterov', False), ('*', None), ('maximize', False),
        ('foreach', None), ('differentiable', False), ('fused', None),
    ), False, True),
    ('sgdp', 'SGDP', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.0), ('dampening', 0.0),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False), ('delta', 0.1),
        ('wd_ratio', 0.1), ('nesterov', False), ('eps', 1e-08), ('maximize', False),
        ('foreach', False),
    ), True, False),
    ('sgdsai', 'SGDSaI', (
        ('params', '<required>'), ('lr', 0.01), ('momentum', 0.9), ('weight_decay', 0.01),
        ('weight_decouple', True), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('sgdw', 'SGDW', (
        ('params', '<required>'), ('lr', 0.0001), ('momentum', 0.0), ('weight_decay', 0.0),
        ('weight_decouple', True), ('dampening', 0.0), ('nesterov', False), ('foreach', None),
        ('maximize', False),
    ), True, False),
    ('shampoo', 'Shampoo', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.0), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('preconditioning_compute_steps', 1),
        ('matrix_eps', 1e-06), ('maximize', False),
    ), True, False),
    ('signsgd', 'SignSGD', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.9), ('weight_decay', 0.0),
        ('weight_decouple', True), ('foreach', None), ('maximize', False),
    ), True, False),
    ('simplifiedademamix', 'SimplifiedAdEMAMix', (
        ('params', '<required>'), ('lr', 0.0001), ('betas', (0.99, 0.95,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('alpha', 0.0), ('beta1_warmup', None),
        ('min_beta1', 0.9), ('eps', 1e-08), ('maximize', False), ('foreach', None),
    ), True, False),
    ('sm3', 'SM3', (
        ('params', '<required>'), ('lr', 0.1), ('momentum', 0.0), ('beta', 0.0), ('eps', 1e-30),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('soap', 'SOAP', (
        ('params', '<required>'), ('lr', 0.003), ('betas', (0.95, 0.95,)), ('shampoo_beta', None),
        ('weight_decay', 0.01), ('precondition_frequency', 10), ('max_precondition_dim', 10000),
        ('merge_dims', False), ('precondition_1d', False), ('correct_bias', True),
        ('normalize_gradient', False), ('data_format', 'channels_first'), ('eps', 1e-08),
        ('maximize', False),
    ), True, False),
    ('sophiah', 'SophiaH', (
        ('params', '<required>'), ('lr', 0.06), ('betas', (0.96, 0.99,)), ('weight_decay', 0.0),
        ('weight_decouple', True), ('fixed_decay', False), ('p', 0.01), ('update_period', 10),
        ('num_samples', 1), ('hessian_distribution', 'gaussian'), ('eps', 1e-12),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('spam', 'SPAM', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('density', 1.0),
        ('weight_decay', 0.0), ('warmup_epoch', 50), ('threshold', 5000), ('grad_accu_steps', 20),
        ('update_proj_gap', 500), ('eps', 1e-06), ('maximize', False), ('foreach', None),
    ), True, False),
    ('spectralsphere', 'SpectralSphere', (
        ('params', '<required>'), ('lr', 0.0003), ('momentum', 0.9), ('weight_decay', 0.01),
        ('weight_decouple', True), ('nesterov', True), ('power_iteration_steps', 10),
        ('msign_steps', 5), ('solver_tolerance_f', 1e-08), ('solver_max_iterations', 100),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('splus', 'SPlus', (
        ('params', '<required>'), ('lr', 0.1), ('betas', (0.9, 0.999,)), ('weight_decay', 0.01),
        ('weight_decouple', True), ('fixed_decay', False), ('ema_rate', 0.999),
        ('inverse_steps', 100), ('nonstandard_constant', 0.001), ('max_dim', 10000),
        ('eps', 1e-30), ('maximize', False), ('foreach', None),
    ), True, False),
    ('srmm', 'SRMM', (
        ('params', '<required>'), ('lr', 0.01), ('beta', 0.5), ('memory_length', 100),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('stableadamw', 'StableAdamW', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.99,)), ('kahan_sum', True),
        ('weight_decay', 0.01), ('weight_decouple', True), ('eps', 1e-08), ('foreach', None),
        ('maximize', False),
    ), True, False),
    ('stablespam', 'StableSPAM', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('gamma1', 0.7),
        ('gamma2', 0.9), ('theta', 0.999), ('t_max', None), ('eta_min', 0.5),
        ('weight_decay', 0.0), ('update_proj_gap', 1000), ('eps', 1e-08), ('maximize', False),
        ('foreach', False),
    ), True, False),
    ('swats', 'SWATS', (
        ('params', '<required>'), ('lr', 0.001), ('betas', (0.9, 0.999,)), ('weight_decay', 0.0),
        ('weight_decouple', False), ('fixed_decay', False), ('ams_bound', False),
        ('nesterov', False), ('eps', 1e-06), ('maximize', False), ('foreach', None),
    ), True, False),
    ('tam', 'TAM', (
        ('params', '<required>'), ('lr', 0.001), ('momentum', 0.9), ('decay_rate', 0.9),
        ('weight_decay', 0.0), ('weight_decouple', True), ('fixed_decay', False), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('tiger', 'Tiger', (
        ('params', '<required>'), ('lr', 0.001), ('beta', 0.965), ('weight_decay', 0.01),
        ('weight_decouple', True), ('fixed_decay', False), ('foreach', None), ('maximize', False),
    ), True, False),
    ('vsgd', 'VSGD', (
        ('params', '<required>'), ('lr', 0.1), ('ghattg', 30.0), ('ps', 1e-08), ('tau1', 0.81),
        ('tau2', 0.9), ('weight_decay', 0.0), ('weight_decouple', True), ('eps', 1e-08),
        ('maximize', False), ('foreach', None),
    ), True, False),
    ('yogi', 'Yogi', (
        ('params', '<required>'), ('lr', 0.01), ('betas', (0.9, 0.999,)),
        ('initial_accumulator', 1e-06), ('weight_decay', 0.0), ('weight_decouple', True),
        ('fixed_decay', False), ('eps', 0.001), ('maximize', False), ('foreach', None),
    ), True, False),
)

# Take sparse gradients.
SPARSE = frozenset(
    """
    dadaptadagrad madgrad sgd sm3
    """.split()
)

# Take complex parameters.
COMPLEX = frozenset(
    """
    accsgd adabelief adabound adadelta adam adamax adamg adamod adamp adamw adan adapnm
    adasmooth adatam adopt aggmo alig amos ano apollo apollodqn asgd avagrad diffgrad
    dualadam exadam focus fromage ftrl grams gravity grokfastadamw kate lamb laprop lars
    lion mars msvag nadam padam pid pnm qhadam qhm radam ranger rmsprop schedulefreeadamw
    schedulefreeradam schedulefreesgd sgd sgdp sgdsai sgdw signsgd stableadamw tam tiger
    vsgd yogi
    """.split()
)
