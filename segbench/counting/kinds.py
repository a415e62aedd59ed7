"""Kinds of operations by what they do, whatever a rule charges for them.

An operation in neither set, and not tagged by torch as element by element, is unknown: no rule calls it free.
"""

from __future__ import annotations

from segbench.counting.trace import Operation


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Shapes, copies, moves, constants, and reads by Python: no arithmetic.
MOVES_DATA = _words("""
    view view_as reshape reshape_as _unsafe_view _reshape_alias expand expand_as permute transpose t numpy_T mT swapaxes
    swapdims movedim moveaxis select slice narrow split split_with_sizes tensor_split unsafe_split chunk unsafe_chunk
    unbind unsqueeze squeeze flatten unflatten ravel contiguous clone copy detach alias to _to_copy type_as lift
    lift_fresh as_strided diagonal unfold real imag view_as_real view_as_complex resolve_conj resolve_neg
    atleast_2d atleast_3d cat concat concatenate stack hstack vstack dstack pad constant_pad_nd reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d _pad_enum _pad_circular
    zeros ones empty full zeros_like ones_like empty_like full_like new_zeros new_ones new_empty new_full empty_strided
    new_empty_strided arange linspace logspace range eye scalar_tensor tril_indices triu_indices meshgrid cartesian_prod
    fill zero set_ resize masked_fill masked_scatter masked_select where index index_put _index_put_impl index_select
    index_copy index_fill gather scatter select_scatter slice_scatter take take_along_dim roll flip fliplr flipud rot90
    repeat repeat_interleave tile broadcast_to broadcast_tensors tril triu diag diag_embed one_hot nonzero embedding
    pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle im2col max_unpool2d max_unpool3d
    dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout bernoulli rand randn rand_like randn_like
    exponential geometric cauchy log_normal random poisson multinomial _linalg_check_errors
    uniform normal randint randperm item _local_scalar_dense is_nonzero equal allclose size stride sym_size
    _shape_as_tensor dim numel is_same_size resize_as result_type _assert_async _assert_tensor_metadata
    float half double int long bool
""")

# Arithmetic that multiplies no matrices: each output element costs a handful of operations.
NO_PRODUCTS = _words("""
    relu relu6 prelu _prelu_kernel leaky_relu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh softplus
    softsign threshold sigmoid log_sigmoid logsigmoid tanh glu erf exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square
    pow reciprocal abs neg sign floor ceil round trunc frac sin cos tan asin acos atan atan2 sinh cosh
    add sub rsub mul div true_divide floor_divide remainder fmod addcmul addcdiv lerp maximum minimum clamp clamp_min
    clamp_max clip eq ne lt le gt ge logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not
    __and__ __or__ __xor__ isnan isinf isfinite nan_to_num subtract multiply divide negative absolute
    sum mean max min amax amin prod std var std_mean var_mean argmax argmin any all norm linalg_vector_norm
    linalg_norm linalg_matrix_norm frobenius_norm logsumexp cumsum cumprod cummax cummin topk sort argsort median mode
    kthvalue count_nonzero softmax _softmax log_softmax _log_softmax softmin normalize cosine_similarity
    pairwise_distance batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _batch_norm_impl_index cudnn_batch_norm layer_norm native_layer_norm group_norm native_group_norm instance_norm
    rms_norm _fused_rms_norm
    local_response_norm renorm nansum isin logcumsumexp trace linalg_cross cross addr segment_reduce embedding_bag
    _embedding_bag _embedding_bag_forward_only mse_loss l1_loss smooth_l1_loss huber_loss
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices
    max_pool3d_with_indices adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d
    _adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool2d fractional_max_pool2d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d
    upsample_bicubic2d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler grid_sampler_2d grid_sampler_3d
    _weight_norm _weight_norm_interface spectral_norm complex polar angle conj conj_physical _conj _conj_physical sgn
    quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic dequantize int_repr _to_sparse coalesce
    _coalesce to_dense _to_dense sparse_coo_tensor _sparse_coo_tensor_unsafe _indices _values indices values
    col2im index_add scatter_add scatter_reduce index_reduce bincount histc bucketize searchsorted unique _unique2
""")


def is_arithmetic(operation: Operation) -> bool:
    """Whether it computes anything; an unknown kind does."""
    return operation.kind not in MOVES_DATA


def has_no_products(operation: Operation) -> bool:
    """Whether it is known to hold no matrix product and no convolution."""
    return operation.kind in MOVES_DATA or operation.kind in NO_PRODUCTS or operation.pointwise
