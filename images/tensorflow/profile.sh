PATH=/opt/tensorflow/bin:$PATH
