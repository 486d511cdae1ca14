"""The networks, by the names that recipes give them."""

from baselines.networks.interface import DepthNetwork, PoseNetwork
from baselines.networks.monodepth2_depth import Monodepth2Depth
from baselines.networks.monodepth2_pose import PoseCNNPose, SeparatePose, SharedPose

DEPTH_NETWORKS: dict[str, type[DepthNetwork]] = {"monodepth2": Monodepth2Depth}
POSE_NETWORKS: dict[str, type[PoseNetwork]] = {"separate_resnet": SeparatePose, "shared": SharedPose, "posecnn": PoseCNNPose}
