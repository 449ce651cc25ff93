"""A load balancer with its clients: constant HTTP requests to Pods that are ready, and a count of what is dropped.

It picks its targets as a load balancer does: by a watch of the Pods, those that are ready and not on their way out.
Pods have addresses on their own machine only, so each machine of a lab runs one (`tools.load.fleet`):

    python -m tools.load --socket PATH --namespace NS --selector app=web --node h1 --port 80 --rate 50 --while FILE

It ends when FILE is removed, and prints one line of JSON (`counting.Count`).
"""
